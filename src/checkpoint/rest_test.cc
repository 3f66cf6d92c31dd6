#include "checkpoint/rest.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "base/clock.h"

namespace godwit::checkpoint {
namespace {

using std::chrono_literals::operator""ms;

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
  if (!RestsAreKnown()) GTEST_SKIP() << "this kernel does not tell";
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
  if (!RestsAreKnown()) GTEST_SKIP() << "this kernel does not tell";
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

// A child that sleeps for a minute, and keeps the time for the sleep and for the rest in memory
// that it shares.
class SleepTest : public testing::Test {
 protected:
  SleepTest() {
    times_ = static_cast<timespec*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    times_[0] = {60, 5};
    times_[1] = {7, 8};
  }
  ~SleepTest() override {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::munmap(times_, 4096);
  }
  // Sleeps with the rest in times_[`rest`], and is stopped after 200 ms.
  Rest StopIn(int rest) {
    child_ = ::fork();
    if (child_ == 0) {
      ::nanosleep(&times_[0], &times_[rest]);
      ::_exit(0);
    }
    Nap(200ms);
    Rests rests = ReadRests({child_});
    ::ptrace(PTRACE_SEIZE, child_, nullptr, nullptr);
    ::ptrace(PTRACE_INTERRUPT, child_, nullptr, nullptr);
    ::waitpid(child_, nullptr, 0);
    stopped_ = Monotonic();
    told_ = times_[rest];
    RestartDisturbed(rests, {child_}, stopped_);
    return rests[child_];
  }

  timespec* times_;
  timespec told_ = {};
  Nanos stopped_{};
  int child_ = -1;
};

TEST_F(SleepTest, WhatASleepHasToldIsTakenBack) {
  if (!RestsAreKnown()) GTEST_SKIP() << "this kernel does not tell";
  const Rest rest = StopIn(1);
  EXPECT_EQ(told_.tv_sec, 59) << "it has told what is left";
  EXPECT_EQ(times_[1].tv_sec, 7);
  EXPECT_EQ(times_[1].tv_nsec, 8);
  const Nanos left = std::chrono::seconds(told_.tv_sec) + Nanos(told_.tv_nsec);
  EXPECT_EQ(rest.since + std::chrono::seconds(60) + Nanos(5), stopped_ + left);
}

TEST_F(SleepTest, ARequestThatWasOverwrittenIsAsItWas) {
  if (!RestsAreKnown()) GTEST_SKIP() << "this kernel does not tell";
  StopIn(0);
  EXPECT_EQ(told_.tv_sec, 59);
  EXPECT_EQ(times_[0].tv_sec, 60);
  EXPECT_EQ(times_[0].tv_nsec, 5);
}

}  // namespace
}  // namespace godwit::checkpoint
