// conformance NAME|all SECONDS: each case at the same time in its own process. A line a case:
// "NAME right", or "NAME DIFFERENCE". Linked from all files of this folder.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame.h"

double seconds;
volatile sig_atomic_t rung;

static const struct Case* const kTables[] = {kSleeps,  kPollers,     kLocks,    kSignals,
                                             kSockets, kDescriptors, kRegisters};
static const char* running;
static int differences;
static const double kForgiven = 8;  // seconds late, on a machine that does other things, too

static void Tell(const char* text) {
  char line[200];
  const int size = snprintf(line, sizeof line, "%s %s\n", running, text);
  if (write(STDOUT_FILENO, line, (size_t)size) != size) abort();
  ++differences;
}

void Is(const char* what, long got, long want) {
  char text[160];
  if (got == want) return;
  snprintf(text, sizeof text, "%s: %ld instead of %ld (errno %d)", what, got, want, errno);
  Tell(text);
}

void Failed(const char* what, long got, int error) {
  char text[160];
  if (got == -1 && errno == error) return;
  snprintf(text, sizeof text, "%s: %ld, %s instead of %s", what, got,
           got == -1 ? strerrorname_np(errno) : "no error", strerrorname_np(error));
  Tell(text);
}

void Lasts(const char* what, double took, double least) {
  char text[160];
  if (took >= least && took < least + kForgiven) return;
  snprintf(text, sizeof text, "%s: %.6f s instead of %.6f s", what, took, least);
  Tell(text);
}

void Need(long result, const char* what) {
  char text[160];
  if (result >= 0) return;
  snprintf(text, sizeof text, "cannot be shown: %s: %s", what, strerror(errno));
  Tell(text);
  exit(0);
}

struct timespec Spec(double time) {
  const double whole = floor(time);
  return (struct timespec){(time_t)whole, (long)((time - whole) * 1e9)};
}

double Time(struct timespec spec) { return (double)spec.tv_sec + (double)spec.tv_nsec / 1e9; }

double Clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return Time(now);
}

static void Count(int signal) {
  (void)signal;
  ++rung;
}

void Ring(int signal, int flags) {
  struct sigaction action = {.sa_handler = Count, .sa_flags = flags};
  sigaction(signal, &action, NULL);
}

void Alarm(double after) {
  struct itimerval timer = {.it_value = {(time_t)after, (long)((after - floor(after)) * 1e6)}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

int After(void (*work)(int), int argument) {
  const int child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const double end = Clock(CLOCK_MONOTONIC) + seconds;
  while (Clock(CLOCK_MONOTONIC) < end) {
    const struct timespec until = Spec(end);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  }
  work(argument);
  _exit(0);
}

void Write1(int fd) {
  if (write(fd, "x", 1) != 1) abort();
}

static int Begin(const struct Case* one) {
  const int child = fork();
  if (child != 0) return child;
  running = one->name;
  one->run();
  if (differences == 0) Tell("right");
  _exit(0);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  seconds = atof(argv[2]);
  static struct {
    int pid;
    const char* name;
  } children[200];
  int count = 0;
  for (size_t table = 0; table < sizeof kTables / sizeof *kTables; ++table) {
    for (const struct Case* one = kTables[table]; one->name != NULL; ++one) {
      // A name with a dot is a case that wants an instance of its own.
      if (strcmp(argv[1], "all") == 0 ? strchr(one->name, '.') != NULL
                                      : strcmp(argv[1], one->name) != 0) {
        continue;
      }
      children[count].name = one->name;
      children[count++].pid = Begin(one);
    }
  }
  for (int i = 0; i < count; ++i) {
    int status = 0;
    running = children[i].name;
    if (waitpid(children[i].pid, &status, 0) != children[i].pid) Tell("waitpid failed");
    if (!WIFEXITED(status)) Tell("was killed");
  }
  return count == 0;
}
