// read and write where they wait.
#include "frame.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static int pipes[2];

static void ReadPipe(void) {
  Need(pipe(pipes), "pipe");
  const double begun = Clock(CLOCK_MONOTONIC);
  After(Write1, pipes[1]);
  char bytes[2] = {0, 5};
  Is("read", read(pipes[0], bytes, 2), 1);
  Lasts("read", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("the byte", bytes[0], 'x');
  Is("the byte behind", bytes[1], 5);
}
static void ReadvPipe(void) {
  Need(pipe(pipes), "pipe");
  After(Write1, pipes[1]);
  char byte = 0;
  const struct iovec one = {&byte, 1};
  Is("readv", readv(pipes[0], &one, 1), 1);
}

static char much[1 << 20];
static void Drain(int fd) {
  for (long all = 0; all < (long)sizeof much;) {
    const ssize_t n = read(fd, much, sizeof much);
    if (n <= 0) _exit(1);
    all += n;
  }
}
static void WritePipe(void) {
  Need(pipe(pipes), "pipe");
  After(Drain, pipes[0]);
  Is("write", write(pipes[1], much, sizeof much), sizeof much);
}

static void Count3(int fd) {
  const uint64_t three = 3;
  if (write(fd, &three, 8) != 8) _exit(1);
}
static void Eventfd(void) {
  const int fd = eventfd(0, 0);
  After(Count3, fd);
  uint64_t count = 0;
  Is("read", read(fd, &count, 8), 8);
  Is("the count", (long)count, 3);
}

static void Timerfd(int flags) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  const double begun = Clock(CLOCK_MONOTONIC);
  const struct itimerspec once = {.it_value = Spec(seconds + (flags ? begun : 0))};
  Need(timerfd_settime(fd, flags, &once, NULL), "timerfd_settime");
  uint64_t count = 0;
  Is("read", read(fd, &count, 8), 8);
  Lasts("read", Clock(CLOCK_MONOTONIC) - begun, seconds - 1e-6);
  Is("the count", (long)count, 1);
}
static void TimerfdRelative(void) { Timerfd(0); }
static void TimerfdUntil(void) { Timerfd(TFD_TIMER_ABSTIME); }

static void Kick(int unused) {
  (void)unused;
  kill(getppid(), SIGUSR1);
}
static void Signalfd(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  const int fd = signalfd(-1, &set, 0);
  After(Kick, 0);
  struct signalfd_siginfo info;
  Is("read", read(fd, &info, sizeof info), sizeof info);
  Is("the signal", info.ssi_signo, SIGUSR1);
}

static void Touch(int unused) {
  (void)unused;
  close(open("/tmp/conformance.watched/new", O_CREAT | O_RDWR, 0600));
}
static void Inotify(void) {
  mkdir("/tmp/conformance.watched", 0700);
  const int fd = inotify_init();
  Need(inotify_add_watch(fd, "/tmp/conformance.watched", IN_CREATE), "inotify_add_watch");
  After(Touch, 0);
  union {
    struct inotify_event event;
    char bytes[512];
  } got;
  Is("read", read(fd, &got, sizeof got) > 0, 1);
  Is("the event", got.event.mask, IN_CREATE);
}

// Opening a FIFO waits for its other end.
static void OpenFifo(int unused) {
  (void)unused;
  const int fd = open("/tmp/conformance.fifo", O_WRONLY);
  Write1(fd);
}
static void Fifo(void) {
  mkfifo("/tmp/conformance.fifo", 0600);
  After(OpenFifo, 0);
  const int fd = open("/tmp/conformance.fifo", O_RDONLY);
  Is("open", fd >= 0, 1);
  char byte;
  Is("read", read(fd, &byte, 1), 1);
}

const struct Case kDescriptors[] = {
    {"read-pipe", ReadPipe},
    {"readv-pipe", ReadvPipe},
    {"half.write", WritePipe},
    {"eventfd", Eventfd},
    {"timerfd", TimerfdRelative},
    {"timerfd-until", TimerfdUntil},
    {"signalfd", Signalfd},
    {"inotify", Inotify},
    {"open-fifo", Fifo},
    {NULL, NULL}};
