// poll, select and epoll: until their time-out, and until something comes.
#include "frame.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

static int pipes[2];
static const double kLong = 30;  // beyond what is awaited

static void Open(void) { Need(pipe(pipes), "pipe"); }

// The time-out is what it is to be, and the poller found nothing, or one thing.
static void Poll(int ready) {
  Open();
  const double begun = Clock(CLOCK_MONOTONIC);
  if (ready) After(Write1, pipes[1]);
  struct pollfd one[2] = {{pipes[0], POLLIN | POLLRDHUP, 0x7f}, {-1, POLLIN, 0x7f}};
  Is("poll", poll(one, 2, (int)((ready ? kLong : seconds) * 1000)), ready);
  Lasts("poll", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("revents", one[0].revents, ready ? POLLIN : 0);
  Is("revents of none", one[1].revents, 0);
  Is("events", one[0].events, POLLIN | POLLRDHUP);
}
static void PollNothing(void) { Poll(0); }
static void PollReady(void) { Poll(1); }
static void PollForEver(void) {
  Open();
  After(Write1, pipes[1]);
  struct pollfd one = {pipes[0], POLLIN, 0};
  Is("poll", poll(&one, 1, -1), 1);
}

static void Ppoll(int ready) {
  Open();
  const double begun = Clock(CLOCK_MONOTONIC);
  if (ready) After(Write1, pipes[1]);
  struct pollfd one = {pipes[0], POLLIN, 0x7f};
  const struct timespec timeout = Spec(ready ? kLong : seconds);
  Is("ppoll", ppoll(&one, 1, &timeout, NULL), ready);
  Lasts("ppoll", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("revents", one.revents, ready ? POLLIN : 0);
  Is("its time-out", timeout.tv_sec, (long)(ready ? kLong : seconds));
}
static void PpollNothing(void) { Ppoll(0); }
static void PpollReady(void) { Ppoll(1); }

static void Select(int ready) {
  Open();
  const double begun = Clock(CLOCK_MONOTONIC);
  if (ready) After(Write1, pipes[1]);
  fd_set set, empty;
  FD_ZERO(&set);
  FD_SET(pipes[0], &set);
  FD_ZERO(&empty);
  struct timeval timeout = {(time_t)(ready ? kLong : seconds), 0};
  Is("select", select(pipes[0] + 1, &set, &empty, NULL, &timeout), ready);
  const double took = Clock(CLOCK_MONOTONIC) - begun;
  Lasts("select", took, (long)seconds);
  Is("the set", FD_ISSET(pipes[0], &set), ready);
  const double left = (double)timeout.tv_sec + (double)timeout.tv_usec / 1e6;
  if (!ready) Is("what is left in microseconds", (long)(left * 1e6), 0);
  if (ready) Lasts("what is left, and what it took", left + took, kLong - 0.001);
}
static void SelectNothing(void) { Select(0); }
static void SelectReady(void) { Select(1); }

static void Pselect(void) {
  Open();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipes[0], &set);
  const struct timespec timeout = Spec(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("pselect", pselect(pipes[0] + 1, &set, NULL, NULL, &timeout, NULL), 0);
  Lasts("pselect", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("its time-out", timeout.tv_sec, (long)seconds);
  Is("the set", FD_ISSET(pipes[0], &set), 0);
}

// The kernel cannot write what is left where the caller's memory may only be read.
static const struct timespec kReadOnly = {5, 250000000};
static void PpollReadOnly(void) {
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("ppoll", syscall(SYS_ppoll, NULL, 0, &kReadOnly, NULL, 8), 0);
  Lasts("ppoll", Clock(CLOCK_MONOTONIC) - begun, 5.25);
  Is("its time-out", kReadOnly.tv_nsec, 250000000);
}
static void PselectReadOnly(void) {
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("pselect6", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &kReadOnly, NULL), 0);
  Lasts("pselect6", Clock(CLOCK_MONOTONIC) - begun, 5.25);
}

enum { kWait, kPwait, kPwait2 };
static void Epoll(int call, int ready) {
  Open();
  const double begun = Clock(CLOCK_MONOTONIC);
  if (ready) After(Write1, pipes[1]);
  const int poller = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.u64 = 0x1122334455667788}};
  Need(epoll_ctl(poller, EPOLL_CTL_ADD, pipes[0], &event), "epoll_ctl");
  event.data.u64 = 5;
  const double wait = ready ? kLong : seconds;
  const struct timespec timeout = Spec(wait);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  long got = -2;
  if (call == kWait) got = epoll_wait(poller, &event, 1, (int)(wait * 1000));
  if (call == kPwait) got = epoll_pwait(poller, &event, 1, (int)(wait * 1000), &mask);
  if (call == kPwait2) got = syscall(SYS_epoll_pwait2, poller, &event, 1, &timeout, &mask, sizeof(long));
  Is("epoll", got, ready);
  Lasts("epoll", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("the event's data", (long)event.data.u64, ready ? 0x1122334455667788 : 5);
  Is("the time-out", timeout.tv_sec, (long)wait);
  sigset_t after;
  sigprocmask(SIG_BLOCK, NULL, &after);
  Is("the mask", sigismember(&after, SIGUSR1), 0);
}
static void WaitNothing(void) { Epoll(kWait, 0); }
static void WaitReady(void) { Epoll(kWait, 1); }
static void PwaitNothing(void) { Epoll(kPwait, 0); }
static void PwaitReady(void) { Epoll(kPwait, 1); }
static void Pwait2Nothing(void) { Epoll(kPwait2, 0); }
static void Pwait2Ready(void) { Epoll(kPwait2, 1); }

const struct Case kPollers[] = {
    {"poll", PollNothing},
    {"poll-ready", PollReady},
    {"poll-for-ever", PollForEver},
    {"ppoll", PpollNothing},
    {"ppoll-ready", PpollReady},
    {"ppoll-read-only", PpollReadOnly},
    {"select", SelectNothing},
    {"select-ready", SelectReady},
    {"pselect", Pselect},
    {"pselect-read-only", PselectReadOnly},
    {"epoll-wait", WaitNothing},
    {"epoll-wait-ready", WaitReady},
    {"epoll-pwait", PwaitNothing},
    {"epoll-pwait-ready", PwaitReady},
    {"epoll-pwait2", Pwait2Nothing},
    {"epoll-pwait2-ready", Pwait2Ready},
    {NULL, NULL}};
