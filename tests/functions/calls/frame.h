#pragma once

// What every case of the conformance program uses. A case blocks for about `seconds` in one call,
// in a process of its own, and then holds what came of it against what the manual pages promise;
// whatever differs is told to the parent, a line a difference.
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

struct Case {
  const char* name;
  void (*run)(void);
};

// One table a file; the last entry has no name.
extern const struct Case kSleeps[], kPollers[], kLocks[], kSignals[], kDescriptors[], kSockets[],
    kRegisters[];

extern double seconds;  // how long to block

// `got` is `want`, or the case is wrong.
void Is(const char* what, long got, long want);
// The call returned -1 with this error.
void Failed(const char* what, long got, int error);
// A time in seconds is right to within what a crowded machine is forgiven, and not short.
void Lasts(const char* what, double took, double least);
// What a case needs could not be had: not a difference, but nothing was shown either.
void Need(long result, const char* what);

double Clock(clockid_t clock);
struct timespec Spec(double time);
double Time(struct timespec spec);
// A handler that counts; the count is how often it ran.
extern volatile sig_atomic_t rung;
void Ring(int signal, int flags);
// setitimer(ITIMER_REAL), once.
void Alarm(double after);
// Runs `work(argument)` in a child after `seconds`, which then ends; its pid.
int After(void (*work)(int), int argument);
void Write1(int fd);  // work: one byte, 'x'
