// What the system call's ABI has a program see in its registers: a call changes rax, rcx and r11.
#include "frame.h"

#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#ifdef __x86_64__

enum { kArguments = 6 };

static long Call(long number, const long* arguments) {
  long a[kArguments];
  for (int i = 0; i < kArguments; ++i) a[i] = arguments[i];
  register long r10 __asm__("r10") = a[3];
  register long r8 __asm__("r8") = a[4];
  register long r9 __asm__("r9") = a[5];
  long result = number;
  __asm__ volatile("syscall"
                   : "+a"(result), "+D"(a[0]), "+S"(a[1]), "+d"(a[2]), "+r"(r10), "+r"(r8), "+r"(r9)
                   :
                   : "rcx", "r11", "memory");
  a[3] = r10;
  a[4] = r8;
  a[5] = r9;
  static const char* const kNames[kArguments] = {"rdi", "rsi", "rdx", "r10", "r8", "r9"};
  for (int i = 0; i < kArguments; ++i) Is(kNames[i], a[i], arguments[i]);
  return result;
}

enum { k1 = 0x5151515151, k2 = 0x6262626262 };  // for arguments that the call does not have

static struct timespec timeout;
static long At(const void* address) { return (long)(uintptr_t)address; }

static void Nanosleep(void) {
  timeout = Spec(seconds);
  Is("nanosleep", Call(SYS_nanosleep, (long[]){At(&timeout), 0, k1, k2, k1, k2}), 0);
}
static void ClockNanosleep(void) {
  timeout = Spec(seconds);
  struct timespec rest;
  Is("clock_nanosleep",
     Call(SYS_clock_nanosleep, (long[]){CLOCK_MONOTONIC, 0, At(&timeout), At(&rest), k1, k2}), 0);
}
static void Poll(void) {
  Is("poll", Call(SYS_poll, (long[]){0, 0, (long)(seconds * 1000), k1, k2, k1}), 0);
}
static void Ppoll(void) {
  timeout = Spec(seconds);
  Is("ppoll", Call(SYS_ppoll, (long[]){0, 0, At(&timeout), 0, k1, k2}), 0);
}
static void Select(void) {
  struct {
    long seconds, microseconds;
  } left = {(long)seconds, 0};
  Is("select", Call(SYS_select, (long[]){0, 0, 0, 0, At(&left), k1}), 0);
}
static void EpollWait(void) {
  struct epoll_event event;
  Is("epoll_wait", Call(SYS_epoll_wait, (long[]){epoll_create1(0), At(&event), 1,
                                                 (long)(seconds * 1000), k1, k2}), 0);
}
static void EpollPwait(void) {
  struct epoll_event event;
  Is("epoll_pwait", Call(SYS_epoll_pwait, (long[]){epoll_create1(0), At(&event), 1,
                                                   (long)(seconds * 1000), 0, k2}), 0);
}
static void EpollPwait2(void) {
  struct epoll_event event;
  timeout = Spec(seconds);
  Is("epoll_pwait2", Call(SYS_epoll_pwait2, (long[]){epoll_create1(0), At(&event), 1,
                                                     At(&timeout), 0, k2}), 0);
}
static void Futex(void) {
  static uint32_t word;
  timeout = Spec(seconds);
  Is("futex", Call(SYS_futex, (long[]){At(&word), 0, 0, At(&timeout), k1, k2}), -ETIMEDOUT);
}
static void Sigtimedwait(void) {
  sigset_t set;
  sigemptyset(&set);
  timeout = Spec(seconds);
  Is("rt_sigtimedwait",
     Call(SYS_rt_sigtimedwait, (long[]){At(&set), 0, At(&timeout), 8, k1, k2}), -EAGAIN);
}

const struct Case kRegisters[] = {
    {"registers-nanosleep", Nanosleep},
    {"registers-clock-nanosleep", ClockNanosleep},
    {"registers-poll", Poll},
    {"registers-ppoll", Ppoll},
    {"registers-select", Select},
    {"registers-epoll-wait", EpollWait},
    {"registers-epoll-pwait", EpollPwait},
    {"registers-epoll-pwait2", EpollPwait2},
    {"registers-futex", Futex},
    {"registers-sigtimedwait", Sigtimedwait},
    {NULL, NULL}};

#else
const struct Case kRegisters[] = {{NULL, NULL}};
#endif
