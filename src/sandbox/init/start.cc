#include "sandbox/init/start.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace godwit::sandbox {
namespace {

// What a child that cannot become its program tells init, through a pipe that an exec closes.
struct Failure {
  int error = 0;
  const char* step = "";
};

[[noreturn]] void Die(int report, const char* step) {
  const Failure failure{errno, step};
  static_cast<void>(::write(report, &failure, sizeof failure));
  ::_exit(127);
}

void JoinCgroups(int report, const int* fds, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (::write(fds[i], "0\n", 2) != 2) Die(report, "join the cgroup");
  }
}

void CloseFrom(unsigned first, int keep) {
  const auto kept = static_cast<unsigned>(keep);
  if (kept > first) ::syscall(SYS_close_range, first, kept - 1, 0);
  ::syscall(SYS_close_range, kept >= first ? kept + 1 : first, ~0U, 0);
}

// Standard streams opened inside the sandbox's own mounts: CRIU finds descriptors there and nowhere
// else.
void OpenStreams(int report) {
  const int null = ::open("/dev/null", O_RDONLY);
  // Nobody may be there to read: an error, then, and no wait without end.
  const int log = ::open(kLogPath, O_WRONLY | O_NONBLOCK);
  if (null < 0 || log < 0 || ::fcntl(log, F_SETFL, O_WRONLY) != 0) Die(report, "open the log");
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
}

void SetLimits(int report, uint32_t max_files) {
  const rlimit files = {max_files, max_files};
  const rlimit none = {0, 0};
  const rlimit stack = {8UL << 20, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0 || ::setrlimit(RLIMIT_CORE, &none) != 0 ||
      ::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::setrlimit(RLIMIT_MSGQUEUE, &none) != 0 ||
      ::setrlimit(RLIMIT_STACK, &stack) != 0) {
    Die(report, "set limits");
  }
}

void DropPrivileges(int report, uint32_t uid) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) Die(report, "drop capabilities");
  }
  if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    Die(report, "drop privileges");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Die(report, "set no_new_privs");
}

void FilterSystemCalls(int report) {
  struct stat st = {};
  if (::fstat(kSeccompFd, &st) != 0) Die(report, "read the system call filter");
  static sock_filter instructions[4096];
  const size_t count = static_cast<size_t>(st.st_size) / sizeof(sock_filter);
  if (count == 0 || count > 4096 ||
      ::pread(kSeccompFd, instructions, count * sizeof(sock_filter), 0) != st.st_size) {
    Die(report, "read the system call filter");
  }
  const sock_fprog program = {static_cast<unsigned short>(count), instructions};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    Die(report, "filter system calls");
}

[[noreturn]] void BecomeFunction(const Start& start, int report) {
  JoinCgroups(report, start.fds, start.request->fd_count);
  ::setsid();
  ::umask(022);
  OpenStreams(report);
  SetLimits(report, start.request->max_files);
  if (::chdir(start.cwd) != 0) Die(report, "enter the code's directory");
  DropPrivileges(report, start.request->uid);
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  FilterSystemCalls(report);
  CloseFrom(3, report);
  if (std::strchr(start.argv[0], '/') != nullptr) {
    ::execve(start.argv[0], start.argv, start.envp);
  } else {  // an image's, which may leave it to its PATH
    ::environ = start.envp;
    ::execvp(start.argv[0], start.argv);
  }
  Die(report, "start the program");
}

[[noreturn]] void BecomeDriver(const Start& start, int report) {
  ::setsid();
  if (::dup2(start.fds[0], 200) < 0 || ::dup2(start.fds[1], 201) < 0 || ::dup2(report, 202) < 0) {
    Die(report, "place descriptors");
  }
  ::fcntl(202, F_SETFD, FD_CLOEXEC);
  ::dup2(201, 3);
  const int null = ::open("/dev/null", O_RDWR);
  for (int stream = 0; stream < 3; ++stream) ::dup2(null, stream);
  ::syscall(SYS_close_range, 4U, 199U, 0);
  ::syscall(SYS_close_range, 203U, ~0U, 0);
  ::close(201);
  ::fcntl(200, F_SETFD, FD_CLOEXEC);
  // The real ids alone: effective root keeps every capability, and prlimit(2) of another user's
  // process asks for either the same real user or CAP_SYS_RESOURCE, which virtual machines often
  // withhold.
  const uid_t real = start.request->uid;
  if (real != 0 && (::setresgid(real, 0, 0) != 0 || ::setresuid(real, 0, 0) != 0))
    Die(202, "take the function's user");
  ::syscall(SYS_execveat, 200, "", start.argv, start.envp, AT_EMPTY_PATH);
  Die(202, "start the program");
}

// The pid that comes next, if nobody has it; 0 if it is not known.
int32_t NextPid(int last_pid) {
  char text[16] = {};
  if (::pread(last_pid, text, sizeof text - 1, 0) <= 0) return 0;
  return std::atoi(text) + 1;
}

pid_t Spawn(const Start& start, void (*become)(const Start&, int), const char** step) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) {
    *step = "make a pipe";
    return -errno;
  }
  // What the function starts meanwhile or later gets pids that go on from its own.
  const bool aside = start.request->op == Op::kStartDriver && start.request->pid > 0;
  const int32_t next = aside ? NextPid(start.last_pid) : 0;
  SetNextPid(start.last_pid, start.request->next_pid);
  const pid_t child = ::fork();
  if (child > 0) SetNextPid(start.last_pid, next);
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    ::close(report[0]);
    become(start, report[1]);
  }
  const int fork_error = errno;
  ::close(report[1]);
  Failure failure;
  const ssize_t told = child > 0 ? ::read(report[0], &failure, sizeof failure) : 0;
  ::close(report[0]);
  if (child < 0) {
    *step = "fork";
    return -fork_error;
  }
  if (told == static_cast<ssize_t>(sizeof failure)) {
    *step = failure.step;
    return -failure.error;
  }
  return child;
}

}  // namespace

void SetNextPid(int last_pid, int32_t next) {
  if (next <= 0 || last_pid < 0) return;
  char text[16];
  const int length = std::snprintf(text, sizeof text, "%d", next - 1);
  static_cast<void>(::pwrite(last_pid, text, static_cast<size_t>(length), 0));
}

pid_t StartFunction(const Start& start, const char** step) {
  return Spawn(start, BecomeFunction, step);
}
pid_t StartDriver(const Start& start, const char** step) {
  return Spawn(start, BecomeDriver, step);
}

}  // namespace godwit::sandbox
