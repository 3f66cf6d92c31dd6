#include "base/fd.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <type_traits>

namespace godwit {
namespace {

static_assert(!std::is_copy_constructible_v<Fd>);
static_assert(std::is_nothrow_move_constructible_v<Fd>);

TEST(FdTest, ReadsBackWhatWasWrittenAndClosesOnce) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd read(ends[0]);
  {
    Fd write(ends[1]);
    const Fd moved = std::move(write);
    ASSERT_TRUE(WriteAll(moved.get(), "ten bytes!").has_value());
  }
  EXPECT_EQ(*ReadAll(read.get(), 10), "ten bytes!");
}

TEST(FdTest, LimitsAndShortFilesAreErrors) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd read(ends[0]);
  {
    const Fd write(ends[1]);
    ASSERT_TRUE(WriteAll(write.get(), "ten bytes!").has_value());
  }
  std::array<char, 4> four{};
  EXPECT_TRUE(ReadExactly(read.get(), four).has_value());
  EXPECT_EQ(ReadAll(read.get(), 5).error().code(), Code::kTooLarge);
  EXPECT_EQ(ReadExactly(read.get(), four).error().code(), Code::kCorrupt);
  EXPECT_EQ(Open("/nowhere/at/all", O_RDONLY).error().ToString(),
            "cannot open '/nowhere/at/all': No such file or directory");
}

}  // namespace
}  // namespace godwit
