#include "sandbox/launch.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string_view>

#include "base/try.h"
#include "sandbox/init/protocol.h"

extern "C" const char godwit_init_begin[];
extern "C" const char godwit_init_end[];

namespace godwit::sandbox {
namespace {

constexpr int kProgramFd = 5;  // in the child, until the exec

}  // namespace

Result<Fd> LoadInitProgram() {
  Fd program(::memfd_create("godwit-init", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!program) return FailErrno(errno, "cannot hold the sandbox's init program");
  GODWIT_TRY(WriteAll(program.get(),
                      std::string_view(godwit_init_begin,
                                       static_cast<size_t>(godwit_init_end - godwit_init_begin))));
  ::fcntl(program.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return program;
}

Result<> WriteInitProgram(const std::string& path) {
  const std::string part = path + ".part";
  {
    GODWIT_TRY(const Fd file, Open(part, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    GODWIT_TRY(WriteAll(
        file.get(), std::string_view(godwit_init_begin,
                                     static_cast<size_t>(godwit_init_end - godwit_init_begin))));
    if (::fchmod(file.get(), 0755) != 0)
      return FailErrno(errno, "cannot set the mode of '{}'", part);
  }
  if (std::rename(part.c_str(), path.c_str()) != 0)
    return FailErrno(errno, "cannot make '{}'", path);
  return {};
}

Result<Init> LaunchInit(int program, int seccomp, const Nursery& nursery,
                        const std::vector<std::string>& steps) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
    return FailErrno(errno, "cannot make a control socket");
  }
  Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  const int on = 1;
  ::setsockopt(ours.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);

  // All of it is laid out before the clone: the child of a process with threads may only make
  // system calls.
  std::vector<char*> argv;
  std::string name = "godwit-init";
  argv.push_back(name.data());
  for (const auto& step : steps) argv.push_back(const_cast<char*>(step.c_str()));
  argv.push_back(nullptr);
  char* environment[] = {nullptr};

  int pidfd = -1;
  clone_args args = {};
  args.flags =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  std::optional<Nursery::Stay> stay(nursery);
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Copied above all of them first, so that none is overwritten before it is placed.
    const int high_program = ::fcntl(program, F_DUPFD, 1000);
    const int high_seccomp = ::fcntl(seccomp, F_DUPFD, 1000);
    const int high_control = ::fcntl(theirs.get(), F_DUPFD, 1000);
    ::dup2(high_control, kControlFd);
    ::dup2(high_seccomp, kSeccompFd);
    ::dup2(high_program, kProgramFd);
    ::fcntl(kControlFd, F_SETFL, O_RDWR);
    ::fcntl(kProgramFd, F_SETFD, FD_CLOEXEC);
    ::syscall(SYS_close_range, static_cast<unsigned>(kProgramFd) + 1, ~0U, 0);
    const int null = ::open("/dev/null", O_RDWR);
    for (int stream = 0; stream < 3; ++stream) ::dup2(null, stream);
    if (null > 2) ::close(null);
    ::syscall(SYS_execveat, kProgramFd, "", argv.data(), environment, AT_EMPTY_PATH);
    ::_exit(127);
  }
  const int error = errno;
  stay.reset();
  if (pid < 0)
    return FailErrno(error, "cannot make the sandbox's namespaces (godwit node must run as root)");
  return Init{static_cast<int>(pid), Fd(pidfd), std::move(ours)};
}

}  // namespace godwit::sandbox
