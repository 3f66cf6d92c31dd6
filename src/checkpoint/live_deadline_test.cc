#include "checkpoint/live_deadline.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <functional>

#include "checkpoint/activity.h"

namespace godwit::checkpoint {
namespace {

using std::chrono_literals::operator""s;

Nanos Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

// The deadline of a child that does this, seen once it sleeps.
std::optional<Nanos> DeadlineOf(const std::function<void()>& wait) {
  const pid_t child = ::fork();
  if (child == 0) {
    wait();
    ::_exit(0);
  }
  while (!ReadActivity({child}).asleep) ::sched_yield();
  const auto deadline = LiveDeadline({child}, Now());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return deadline;
}

void ExpectIn(std::optional<Nanos> deadline, Nanos begun, Nanos span) {
  ASSERT_TRUE(deadline);
  EXPECT_GE(*deadline, begun + span - 1s);
  EXPECT_LE(*deadline, Now() + span + 1s);
}

TEST(LiveDeadlineTest, ReadsWhatAThreadWaitsFor) {
  if (::geteuid() != 0) GTEST_SKIP() << "looking into other processes needs root";
  const Nanos begun = Now();
  const timespec hundred = {100, 0};
  ExpectIn(DeadlineOf([&] { ::nanosleep(&hundred, nullptr); }), begun, 100s);
  ExpectIn(DeadlineOf([] { ::poll(nullptr, 0, 200'000); }), begun, 200s);
  const Nanos at = begun + 300s;
  const timespec absolute = {at / 1s, (at % 1s).count()};
  ExpectIn(
      DeadlineOf([&] { ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &absolute, nullptr); }),
      begun, 300s);
  ExpectIn(DeadlineOf([] {
             const int timer = ::timerfd_create(CLOCK_MONOTONIC, 0);
             const itimerspec in = {{}, {400, 0}};
             ::timerfd_settime(timer, 0, &in, nullptr);
             pollfd one = {timer, POLLIN, 0};
             ::poll(&one, 1, -1);
           }),
           begun, 400s);
  EXPECT_FALSE(DeadlineOf([] { ::pause(); }));
}

}  // namespace
}  // namespace godwit::checkpoint
