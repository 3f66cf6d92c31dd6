#include "checkpoint/watches.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace godwit::checkpoint {
namespace {

TEST(WatchesTest, OfWhatTheKernelTells) {
  const auto watches = ReadWatches(
      "pos:\t0\nflags:\t02000000\nmnt_id:\t15\nino:\t4\n"
      "inotify wd:2 ino:2a sdev:800001 mask:100 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 "
      "f_handle:2a00000000000000\n"
      "inotify wd:1 ino:zz sdev:1 mask:1\n");
  ASSERT_EQ(watches.size(), 1);
  EXPECT_EQ(watches[0].inode, 0x2a);
  EXPECT_EQ(watches[0].device, 0x800001);
  EXPECT_TRUE(ReadWatches("").empty());
}

TEST(WatchesTest, ThePathIsFoundAgain) {
  std::string directory = "/dev/shm/godwit-watches-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string below = directory + "/deep/er";
  std::filesystem::create_directories(below);
  const Fd watcher(::inotify_init1(IN_CLOEXEC));
  ASSERT_GE(::inotify_add_watch(watcher.get(), below.c_str(), IN_CREATE), 0);
  const auto found = WatchesOf(::getpid(), fmt::format("{}", watcher.get()));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].path, below);
  std::filesystem::remove_all(directory);
  EXPECT_TRUE(WatchesOf(::getpid(), "0").empty());
}

}  // namespace
}  // namespace godwit::checkpoint
