#include "storage/lock.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::HasSubstr;

TEST(LockTest, OnlyOneHasTheStore) {
  TestDirectory directory;
  std::optional<StoreLock> held;
  {
    auto first = LockStore(directory / "new");
    ASSERT_TRUE(first.has_value());
    held.emplace(*std::move(first));
  }
  const auto second = LockStore(directory / "new");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::kConflict);
  EXPECT_EQ(second.error().ToString(),
            fmt::format("cannot open the store '{}': another godwit (pid {}) uses it (stop it, or "
                        "pass another --data)",
                        directory / "new", ::getpid()));
  held.reset();
  EXPECT_TRUE(LockStore(directory / "new").has_value());
}

TEST(LockTest, AKilledHolderKeepsNothing) {
  TestDirectory directory;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = LockStore(directory.path());
    static_cast<void>(::write(ready[1], lock ? "y" : "n", 1));
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_THAT(LockStore(directory.path()).error().ToString(),
              HasSubstr(fmt::format("(pid {})", child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(LockStore(directory.path()).has_value());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(LockTest, SaysWhyADirectoryWillNotDo) {
  TestDirectory directory;
  WriteFile(directory / "file", "");
  const auto lock = LockStore(directory / "file/store");
  ASSERT_FALSE(lock.has_value());
  EXPECT_THAT(lock.error().ToString(), HasSubstr("cannot open the store"));
}

}  // namespace
}  // namespace godwit::storage
