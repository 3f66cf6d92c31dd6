#include "checkpoint/rest.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <string>

#include "base/clock.h"

namespace godwit::checkpoint {
namespace {

using std::chrono_literals::operator""ms;

constexpr const char* kUntold = "/proc/PID/sched of this kernel does not tell (CONFIG_SCHED_DEBUG)";

Nanos Monotonic() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

void Nap(Nanos time) {
  const timespec request = {0, time.count()};
  ::nanosleep(&request, nullptr);
}

// A child that sleeps in poll(2), and wakes up when something is written to `wake`.
class RestTest : public testing::Test {
 protected:
  RestTest() {
    if (::pipe(wake_) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::close(wake_[1]);
      for (;;) {
        pollfd one = {wake_[0], POLLIN, 0};
        ::poll(&one, 1, 60'000);
        char byte = 0;
        if (::read(wake_[0], &byte, 1) != 1) ::_exit(0);
      }
    }
    Nap(50ms);
  }
  ~RestTest() override {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::close(wake_[0]);
    ::close(wake_[1]);
  }
  int wake_[2];
  int child_;
};

TEST_F(RestTest, AThreadHasRestedSinceItsCallBegan) {
  if (!RestsAreKnown()) GTEST_SKIP() << kUntold;
  const Nanos before = Monotonic();
  ASSERT_EQ(::write(wake_[1], "x", 1), 1);
  Nap(200ms);
  const Nanos after = Monotonic();
  Rests rests = ReadRests({child_});
  ASSERT_EQ(rests.count(child_), 1u);
  EXPECT_GE(rests[child_].since, before) << "never early";
  EXPECT_LT(rests[child_].since, after) << "not only since it was looked at";
}

TEST_F(RestTest, OneThatRanSinceItWasLookedAtBeginsAnew) {
  if (!RestsAreKnown()) GTEST_SKIP() << kUntold;
  Rests rests = ReadRests({child_});
  const Nanos since = rests[child_].since;
  RestartDisturbed(rests, {child_}, since + 5ms);
  EXPECT_EQ(rests[child_].since, since) << "it slept";
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(::write(wake_[1], "x", 1), 1);
    Nap(20ms);
  }
  RestartDisturbed(rests, {child_}, since + 5ms);
  EXPECT_EQ(rests[child_].since, since + 5ms);
}

TEST_F(RestTest, AThreadInAnotherCallIsNotLookedAt) {
  EXPECT_TRUE(ReadRests({::getpid()}).empty());
}

TEST_F(RestTest, WhatASleepWillWriteOverIsKept) {
  if (!RestsAreKnown()) GTEST_SKIP() << kUntold;
  const timespec minute = {60, 5};
  timespec left = {7, 8};
  const int sleeper = ::fork();
  if (sleeper == 0) {
    ::nanosleep(&minute, &left);
    ::_exit(0);
  }
  Nap(100ms);
  Rests rests = ReadRests({sleeper, child_});
  EXPECT_EQ(rests[child_].before, "") << "it is no sleep";
  EXPECT_EQ(rests[sleeper].before, std::string(reinterpret_cast<char*>(&left), sizeof left));
  ::kill(sleeper, SIGKILL);
  ::waitpid(sleeper, nullptr, 0);
}

}  // namespace
}  // namespace godwit::checkpoint
