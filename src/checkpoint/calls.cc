#include "checkpoint/calls.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <fstream>
#include <string>

#include "checkpoint/inside.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

#ifdef __x86_64__

bool HasTimeout(const Fd& socket, int option) {
  timeval timeout = {};
  socklen_t size = sizeof timeout;
  return ::getsockopt(socket.get(), SOL_SOCKET, option, &timeout, &size) == 0 &&
         (timeout.tv_sec != 0 || timeout.tv_usec != 0);
}

bool IsStream(const Fd& socket) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// Whether `call` may have done a part of its work, which is all that it would then answer.
bool MayBeHalfDone(const Call& call, const Fd& file, mode_t mode) {
  const auto& arguments = call.arguments;
  const bool atomic = (S_ISFIFO(mode) && call.number == SYS_write && arguments[2] <= PIPE_BUF) ||
                      (S_ISSOCK(mode) && !IsStream(file));
  switch (call.number) {
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
      return (S_ISFIFO(mode) || S_ISSOCK(mode)) && !atomic;
    case SYS_sendmmsg:
    case SYS_sendfile:
      return true;
    case SYS_recvfrom:
      return arguments[2] > 1 && (arguments[3] & MSG_WAITALL) != 0 && IsStream(file);
    case SYS_recvmsg:
      return (arguments[2] & MSG_WAITALL) != 0 && IsStream(file);
    case SYS_recvmmsg:
      return arguments[2] > 1 && (arguments[3] & MSG_WAITFORONE) == 0;
    default:
      return false;
  }
}

// What of `call` could not go on as it was, if anything.
std::optional<std::string> Disturbed(int pid, const Call& call) {
  if (call.number == SYS_splice || call.number == SYS_tee)
    return "a splice, which may be half done (it is put away when that is done)";
  // The number of the call that is to go on is not to be had.
  if (call.number == SYS_restart_syscall)
    return "a call that has been stopped before (it is put away at its next wait)";
  const bool in = Reads(call.number);
  if (!in && !Writes(call.number)) return std::nullopt;
  const int number = static_cast<int>(call.arguments[0]);
  const Fd file = CopyDescriptor(pid, number);
  struct stat about = {};
  if (!file || ::fstat(file.get(), &about) != 0) return std::nullopt;
  if (S_ISSOCK(about.st_mode) && HasTimeout(file, in ? SO_RCVTIMEO : SO_SNDTIMEO)) {
    return fmt::format("a socket with a time-out of its own, {}, on descriptor {} (use poll)",
                       in ? "SO_RCVTIMEO" : "SO_SNDTIMEO", number);
  }
  if (MayBeHalfDone(call, file, about.st_mode)) {
    return fmt::format(
        "{} descriptor {}, which may be half done (it is put away when that is done)",
        in ? "reading all from" : "writing to", number);
  }
  return std::nullopt;
}

#else

std::optional<std::string> Disturbed(int, const Call&) { return std::nullopt; }

#endif

}  // namespace

bool Reads([[maybe_unused]] long number) {
#ifdef __x86_64__
  switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
      return true;
    default:
      break;
  }
#endif
  return false;
}

bool Writes([[maybe_unused]] long number) {
#ifdef __x86_64__
  switch (number) {
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_connect:
      return true;
    default:
      break;
  }
#endif
  return false;
}

std::optional<Call> ReadCall(const fs::path& thread) {
  std::ifstream file(thread / "syscall");
  Call call;
  // "running", "-1 SP PC" outside of a call, or "NUMBER 0x… 0x… 0x… 0x… 0x… 0x… SP PC".
  if (!(file >> call.number) || call.number < 0) return std::nullopt;
  file >> std::hex;
  for (uint64_t& argument : call.arguments) file >> argument;
  if (!file) return std::nullopt;
  return call;
}

void ForThreads(const std::vector<int>& pids,
                const std::function<void(int pid, const fs::path&)>& each) {
  for (const int pid : pids) {
    std::error_code error;
    for (fs::directory_iterator it(fmt::format("/proc/{}/task", pid), error), end;
         !error && it != end; it.increment(error)) {
      each(pid, it->path());
    }
  }
}

Fd CopyDescriptor(int pid, int number) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return Fd();
  return Fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
}

bool MayBeStoppedTwice([[maybe_unused]] const std::vector<int>& pids) {
  bool may = false;
#ifdef __x86_64__
  may = true;
  ForThreads(pids, [&](int, const fs::path& thread) {
    const std::optional<Call> call = ReadCall(thread);
    if (!call) return;
    const auto& arguments = call->arguments;
    switch (call->number) {
      case SYS_clock_nanosleep:
        if ((arguments[1] & TIMER_ABSTIME) == 0) may = false;
        break;
      case SYS_nanosleep:
      case SYS_poll:
      case SYS_restart_syscall:
        may = false;
        break;
      case SYS_futex:
        if (arguments[3] != 0) may = false;
        break;
      default:
        break;
    }
  });
#endif
  return may;
}

Result<> CheckCalls(const std::vector<int>& pids) {
  Result<> checked;
  ForThreads(pids, [&](int pid, const fs::path& thread) {
    if (!checked) return;
    const auto call = ReadCall(thread);
    if (!call) return;
    if (const auto what = Disturbed(pid, *call)) {
      checked = Fail(Code::kUnsupported, "thread {} of process {} waits in {}", InsidePid(thread),
                     InsidePid(fmt::format("/proc/{}", pid)), *what);
    }
  });
  return checked;
}

}  // namespace godwit::checkpoint
