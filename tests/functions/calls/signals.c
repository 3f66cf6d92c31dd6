// Waits for signals and children, and calls that a handler interrupts while they are away.
#include "frame.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t Only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}
static void Kick(int unused) {
  (void)unused;
  kill(getppid(), SIGUSR1);
}

static void Sigtimedwait(void) {
  const sigset_t set = Only(SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  const struct timespec timeout = Spec(seconds);
  siginfo_t info = {.si_signo = 77};
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("sigtimedwait", sigtimedwait(&set, &info, &timeout), EAGAIN);
  Lasts("sigtimedwait", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("the info", info.si_signo, 77);
}

static void Sigwaitinfo(void) {
  const sigset_t set = Only(SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  const int child = After(Kick, 0);
  siginfo_t info = {.si_signo = 77};
  Is("sigwaitinfo", sigwaitinfo(&set, &info), SIGUSR1);
  Is("the sender", info.si_pid, child);
}

static void Pause(void) {
  Ring(SIGALRM, SA_RESTART);
  Alarm(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("pause", pause(), EINTR);
  Lasts("pause", Clock(CLOCK_MONOTONIC) - begun, seconds - 0.001);
  Is("handlers run", rung, 1);
}

static void Sigsuspend(void) {
  const sigset_t set = Only(SIGUSR1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_BLOCK, &set, NULL);
  Ring(SIGUSR1, SA_RESTART);
  After(Kick, 0);
  Failed("sigsuspend", sigsuspend(&none), EINTR);
  Is("handlers run", rung, 1);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  Is("the mask", sigismember(&now, SIGUSR1), 1);
}

static void Leave(int code) { _exit(code); }
static void Wait4(void) {
  const int child = After(Leave, 7);
  int status = -1;
  Is("wait4", wait4(-1, &status, 0, NULL), child);
  Is("its code", WEXITSTATUS(status), 7);
}
static void Waitid(void) {
  const int child = After(Leave, 7);
  siginfo_t info = {0};
  Is("waitid", waitid(P_PID, (id_t)child, &info, WEXITED), 0);
  Is("its code", info.si_status, 7);
}

// A handler in the middle of a call, as signal(7) has it.
static int pipes[2];
static void Interval(int flags) {
  Need(pipe(pipes), "pipe");
  Ring(SIGALRM, flags);
  Alarm(seconds);
}
static void ReadInterrupted(void) {
  Interval(0);
  char byte;
  Failed("read", read(pipes[0], &byte, 1), EINTR);
  Is("handlers run", rung, 1);
}
static void Later(int fd) {
  sleep(2);
  Write1(fd);
}
static void ReadRestarted(void) {
  Interval(SA_RESTART);
  After(Later, pipes[1]);
  char byte = 0;
  Is("read", read(pipes[0], &byte, 1), 1);
  Is("handlers run", rung, 1);
  Is("the byte", byte, 'x');
}
static void WaitInterrupted(void) {
  Interval(0);
  After(Later, pipes[1]);
  Failed("waitpid", waitpid(-1, NULL, 0), EINTR);
  Is("handlers run", rung, 1);
}
static void SleepInterrupted(void) {
  Interval(SA_RESTART);
  const struct timespec request = Spec(seconds * 2 + 10);
  struct timespec rest = {0, 0};
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("nanosleep", nanosleep(&request, &rest), EINTR);
  const double took = Clock(CLOCK_MONOTONIC) - begun;
  Lasts("nanosleep", took, seconds - 0.001);
  const double off = Time(rest) + took - Time(request);
  // More if the alarm was late: what is left is left from when the handler ran.
  Is("what is left, with what it took, is not less", off > -0.001 && off < 1, 1);
}
static void PollInterrupted(void) {
  Interval(SA_RESTART);
  struct pollfd one = {pipes[0], POLLIN, 0};
  Failed("poll", poll(&one, 1, (int)(seconds * 2000) + 10000), EINTR);
  Is("handlers run", rung, 1);
}
static void EpollInterrupted(void) {
  Interval(SA_RESTART);
  struct epoll_event event;
  Failed("epoll_wait", epoll_wait(epoll_create1(0), &event, 1, -1), EINTR);
  Is("handlers run", rung, 1);
}
static void RecvInterrupted(void) {
  Interval(0);
  Need(socketpair(AF_UNIX, SOCK_STREAM, 0, pipes), "socketpair");
  char byte;
  Failed("recv", recv(pipes[0], &byte, 1, 0), EINTR);
}

// A timer that comes again and again, below a sleep that is asked again for the rest.
static void SleepOn(void) {
  Need(pipe(pipes), "pipe");
  Ring(SIGALRM, 0);
  Alarm(seconds / 2);
  struct timespec request = Spec(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("nanosleep", nanosleep(&request, &request), EINTR);
  Is("nanosleep", nanosleep(&request, &request), 0);
  Lasts("both together", Clock(CLOCK_MONOTONIC) - begun, seconds);
}

const struct Case kSignals[] = {
    {"sigtimedwait", Sigtimedwait},
    {"sigwaitinfo", Sigwaitinfo},
    {"pause", Pause},
    {"sigsuspend", Sigsuspend},
    {"wait4", Wait4},
    {"waitid", Waitid},
    {"read-interrupted", ReadInterrupted},
    {"read-restarted", ReadRestarted},
    {"wait-interrupted", WaitInterrupted},
    {"sleep-interrupted", SleepInterrupted},
    {"poll-interrupted", PollInterrupted},
    {"epoll-interrupted", EpollInterrupted},
    {"recv-interrupted", RecvInterrupted},
    {"sleep-on", SleepOn},
    {NULL, NULL}};
