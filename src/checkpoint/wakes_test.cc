#include "checkpoint/wakes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "checkpoint/activity.h"

namespace godwit::checkpoint {
namespace {

class WakesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "what others wait for is root's to know";
    ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    for (const int end : pipe_) ::close(end);
  }

  template <typename Act>
  void Start(Act act) {
    child_ = ::fork();
    if (child_ == 0) {
      ::alarm(30);
      act(pipe_);
      ::_exit(0);
    }
    Activity last;
    for (int look = 0; look < 5000; ++look) {
      const Activity now = ReadActivity({child_});
      if (now.SameAs(last)) return;
      last = now;
      ::usleep(5000);
    }
  }

  int pipe_[2] = {-1, -1};
  pid_t child_ = 0;
};

TEST_F(WakesTest, ASleepTellsWhenItEnds) {
  Start([](const int*) {
    const timespec wait = {25, 0};
    ::nanosleep(&wait, nullptr);
  });
  const Wakes wakes = FindWakes({child_}, Nanos(0));
  ASSERT_TRUE(wakes.deadline.has_value());
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const Nanos left = *wakes.deadline - std::chrono::seconds(now.tv_sec) - Nanos(now.tv_nsec);
  EXPECT_LE(left, std::chrono::seconds(25));
  EXPECT_FALSE(HasCome(wakes, {child_}));
}

TEST_F(WakesTest, WhatIsReadIsWatched) {
  Start([](const int* pipe) {
    char byte = 0;
    static_cast<void>(::read(pipe[0], &byte, 1));
  });
  const Wakes wakes = FindWakes({child_}, Nanos(0));
  EXPECT_FALSE(wakes.deadline.has_value());
  ASSERT_EQ(wakes.descriptors.size(), 1U);
  EXPECT_FALSE(HasCome(wakes, {child_}));
  ::kill(child_, SIGSTOP);
  ::waitpid(child_, nullptr, WUNTRACED);
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  EXPECT_TRUE(HasCome(wakes, {child_}));
}

TEST_F(WakesTest, AWriteThatWaitsHasNoDeadline) {
  Start([](const int* pipe) {
    static char much[1 << 20];
    static_cast<void>(::write(pipe[1], much, sizeof much));
  });
  EXPECT_FALSE(FindWakes({child_}, Nanos(0)).deadline.has_value());
}

}  // namespace
}  // namespace godwit::checkpoint
