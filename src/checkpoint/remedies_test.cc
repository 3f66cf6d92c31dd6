#include "checkpoint/remedies.h"

#include <gtest/gtest.h>

namespace godwit::checkpoint {
namespace {

TEST(RemediesTest, AReasonWithItsWayOutKeepsIt) {
  const Obstacle one = ObstacleOf(
      "process 101 (sh) has outlived the one that started it (wait for it, or keep it below the "
      "function's own process)");
  EXPECT_EQ(one.kind, "daemon");
  EXPECT_EQ(one.what, "process 101 (sh) has outlived the one that started it");
  EXPECT_EQ(one.fix, "wait for it, or keep it below the function's own process");
  EXPECT_EQ(one.Text(), one.what + " (" + one.fix + ")");
}

TEST(RemediesTest, TheWordsOfCriuGetOne) {
  for (const auto& [words, kind] : std::initializer_list<std::pair<const char*, const char*>>{
           {"CRIU cannot take it: In-flight connection (l) for 5", "unaccepted_connection"},
           {"CRIU cannot take it: External socket is used. Consider using --ext-unix-sk option.",
            "unix_socket"},
           {"CRIU cannot take it: Can't find suitable path for handle (dev 0x1f ino 0x2a): 2",
            "inotify"},
           {"CRIU cannot take it: fsnotify: \tCan't dump that handle", "inotify"},
           {"CRIU cannot take it: Can't dump ghost file /tmp/x of 70000000 size", "deleted_file"},
           {"datagrams at port 53 are not read yet, and CRIU would drop them",
            "unread_datagrams"}}) {
    const Obstacle one = ObstacleOf(words);
    EXPECT_EQ(one.kind, kind) << words;
    EXPECT_TRUE(one.what.starts_with(words)) << one.what;
    EXPECT_NE(one.fix, "") << words;
  }
}

TEST(RemediesTest, WhatIsNotKnownIsPassedOn) {
  const Obstacle one = ObstacleOf("CRIU cannot take it: the moon is full");
  EXPECT_EQ(one.kind, "other");
  EXPECT_EQ(one.Text(), "CRIU cannot take it: the moon is full");
  EXPECT_EQ(ObstacleOf("").Text(), "");
  EXPECT_EQ(ObstacleOf(")").what, ")");
}

}  // namespace
}  // namespace godwit::checkpoint
