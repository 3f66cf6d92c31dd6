// Sleeps, relative and absolute.
#include <unistd.h>

#include "frame.h"

static void Relative(struct timespec* rest) {
  struct timespec request = Spec(seconds);
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("nanosleep", nanosleep(&request, rest), 0);
  Lasts("nanosleep", Clock(CLOCK_MONOTONIC) - begun, seconds);
  if (rest != &request) Lasts("the request", Time(request), Time(Spec(seconds)));
}

static void Nanosleep(void) {
  struct timespec rest = {7, 8};
  Relative(&rest);
  Is("the rest's seconds", rest.tv_sec, 7);
  Is("the rest's nanoseconds", rest.tv_nsec, 8);
}

static void WithoutRest(void) { Relative(NULL); }

static void InPlace(void) {
  struct timespec request = Spec(seconds);
  const struct timespec before = request;
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("nanosleep", nanosleep(&request, &request), 0);
  Lasts("nanosleep", Clock(CLOCK_MONOTONIC) - begun, seconds);
  Is("the request's seconds", request.tv_sec, before.tv_sec);
  Is("the request's nanoseconds", request.tv_nsec, before.tv_nsec);
}

static void On(clockid_t clock, int flags, struct timespec* rest) {
  const double begun = Clock(clock);
  const struct timespec request = Spec((flags & TIMER_ABSTIME ? begun : 0) + seconds);
  Is("clock_nanosleep", clock_nanosleep(clock, flags, &request, rest), 0);
  Lasts("clock_nanosleep", Clock(clock) - begun, seconds - 1e-6);  // what a double leaves out
}

static void RelativeReal(void) { On(CLOCK_REALTIME, 0, NULL); }
static void RelativeMonotonic(void) {
  struct timespec rest = {7, 8};
  On(CLOCK_MONOTONIC, 0, &rest);
  Is("the rest", rest.tv_sec, 7);
}
static void RelativeBoot(void) { On(CLOCK_BOOTTIME, 0, NULL); }
static void AbsoluteReal(void) { On(CLOCK_REALTIME, TIMER_ABSTIME, NULL); }
static void AbsoluteMonotonic(void) { On(CLOCK_MONOTONIC, TIMER_ABSTIME, NULL); }
static void AbsoluteBoot(void) { On(CLOCK_BOOTTIME, TIMER_ABSTIME, NULL); }
static void Sleep(void) {
  const double begun = Clock(CLOCK_MONOTONIC);
  Is("sleep", sleep((unsigned)seconds), 0);
  Lasts("sleep", Clock(CLOCK_MONOTONIC) - begun, (unsigned)seconds);
}

const struct Case kSleeps[] = {
    {"nanosleep", Nanosleep},
    {"nanosleep-without-rest", WithoutRest},
    {"nanosleep-in-place", InPlace},
    {"clock-nanosleep-real", RelativeReal},
    {"clock-nanosleep-monotonic", RelativeMonotonic},
    {"clock-nanosleep-boot", RelativeBoot},
    {"clock-nanosleep-until-real", AbsoluteReal},
    {"clock-nanosleep-until-monotonic", AbsoluteMonotonic},
    {"clock-nanosleep-until-boot", AbsoluteBoot},
    {"sleep", Sleep},
    {NULL, NULL}};
