#include "checkpoint/tracees.h"

#include <fmt/core.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <set>

#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/core_image.h"
#include "checkpoint/inside.h"

namespace godwit::checkpoint {

#ifdef __x86_64__

namespace {

constexpr uint64_t kSyscallBytes = 2;
constexpr int64_t kRestartBlock = 516;  // ERESTART_RESTARTBLOCK
constexpr uint16_t kSyscall = 0x050F;   // the instruction, little-endian
constexpr Nanos kPatience = std::chrono::seconds(2);
constexpr int kYields = 100;  // most stops come at once; a nap takes longer
constexpr timespec kNap = {0, 20'000};
constexpr long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP;
constexpr int kMostStops = 4;    // on the way back out of a call
constexpr int kEventStop = 128;  // PTRACE_EVENT_STOP

Nanos Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

Nanos WallNow() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

// The status of the next stop.
Result<int> AwaitStop(int tid, const std::function<void()>& meanwhile = {}) {
  const Nanos last = Now() + kPatience;
  for (int look = 0;; ++look) {
    int status = 0;
    const pid_t found = ::waitpid(tid, &status, __WALL | WNOHANG);
    if (found == tid) {
      if (WIFSTOPPED(status)) return status;
      return Fail(Code::kBusy, "thread {} has ended", tid);
    }
    if (found < 0 && errno != EINTR) return FailErrno(errno, "cannot wait for thread {}", tid);
    if (meanwhile) meanwhile();
    if (Now() > last) return Fail(Code::kBusy, "thread {} does not stop", tid);
    if (look < kYields) {
      ::sched_yield();
    } else {
      ::clock_nanosleep(CLOCK_MONOTONIC, 0, &kNap, nullptr);
    }
  }
}

std::vector<int> ThreadsOf(int pid) {
  std::vector<int> tids;
  std::error_code error;
  for (std::filesystem::directory_iterator it(fmt::format("/proc/{}/task", pid), error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    int tid = 0;
    std::from_chars(name.data(), name.data() + name.size(), tid);
    tids.push_back(tid);
  }
  return tids;
}

image::Registers ToImage(const user_regs_struct& registers) {
  image::Registers image;
  image.set_r10(registers.r10);
  image.set_r8(registers.r8);
  image.set_ax(registers.rax);
  image.set_dx(registers.rdx);
  image.set_si(registers.rsi);
  image.set_di(registers.rdi);
  image.set_orig_ax(registers.orig_rax);
  image.set_ip(registers.rip);
  image.set_sp(registers.rsp);
  return image;
}

// The same call as `image` has it, from its instruction on.
void FromImage(const image::Registers& image, user_regs_struct& registers) {
  registers.r10 = image.r10();
  registers.r8 = image.r8();
  registers.rax = image.ax();
  registers.rdx = image.dx();
  registers.rsi = image.si();
  registers.rdi = image.di();
  registers.rip = image.ip();
  registers.orig_rax = ~0ULL;  // it is not in a call any more, so nothing restarts it once more
}

}  // namespace

Result<std::unique_ptr<Tracees>> Tracees::Stop(const std::vector<int>& pids, Nanos offset) {
  std::unique_ptr<Tracees> tracees(new Tracees(offset));
  tracees->rests_ = ReadRests(pids);
  GODWIT_TRY(tracees->Seize(pids));
  tracees->stopped_ = Now();
  RestartDisturbed(tracees->rests_, pids, tracees->stopped_);
  return tracees;
}

// Until no thread is left that has not been seen: the last ones may have been started meanwhile.
Result<> Tracees::Seize(const std::vector<int>& pids) {
  std::set<int> seen;
  bool more = true;
  while (more) {
    more = false;
    std::vector<Thread> fresh;
    for (const int pid : pids) {
      for (const int tid : ThreadsOf(pid)) {
        if (!seen.insert(tid).second) continue;
        if (::ptrace(PTRACE_SEIZE, tid, nullptr, kOptions) != 0) {
          if (errno == ESRCH) continue;
          return FailErrno(errno, "cannot stop thread {}", tid);
        }
        threads_.push_back({pid, tid, {}});
        ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
        more = true;
      }
    }
    for (Thread& thread : threads_) {
      if (thread.registers.rip == 0) GODWIT_TRY(StopThread(thread));
    }
  }
  return {};
}

Result<> Tracees::StopThread(Thread& thread) {
  GODWIT_TRY(const int status, AwaitStop(thread.tid));
  if (status >> 16 != kEventStop) {
    const int signal = WSTOPSIG(status);
    ::ptrace(PTRACE_DETACH, thread.tid, nullptr, static_cast<long>(signal));
    std::erase_if(threads_, [&](const Thread& one) { return one.tid == thread.tid; });
    return Fail(Code::kBusy, "a signal has come for it, {}", signal);
  }
  if (::ptrace(PTRACE_GETREGS, thread.tid, nullptr, &thread.registers) != 0)
    return FailErrno(errno, "cannot read the registers of thread {}", thread.tid);
  return {};
}

Tracees::Thread* Tracees::Caller(std::vector<Thread>& threads, int pid) {
  for (Thread& thread : threads) {
    if (thread.pid != pid) continue;
    if (thread.used) return &thread;
    const auto& registers = thread.registers;
    if (static_cast<int64_t>(registers.orig_rax) < 0 || registers.cs != 0x33) continue;
    const auto bytes = PeekProcess(pid, registers.rip - kSyscallBytes, kSyscallBytes);
    if (bytes && static_cast<uint8_t>((*bytes)[0]) == (kSyscall & 0xFF) &&
        static_cast<uint8_t>((*bytes)[1]) == kSyscall >> 8) {
      return &thread;
    }
  }
  return nullptr;
}

bool Tracees::CanCall(int pid) const {
  return Caller(const_cast<std::vector<Thread>&>(threads_), pid) != nullptr;
}

Result<long> Tracees::Call(int pid, long number, std::array<uint64_t, 6> arguments,
                           const std::function<void()>& meanwhile) {
  Thread* thread = Caller(threads_, pid);
  if (thread == nullptr)
    return Fail(Code::kUnsupported, "no thread of process {} waits in a system call", pid);
  const int tid = thread->tid;
  constexpr uint64_t kSetBytes = 8;
  if (!thread->used) {
    const uint64_t all = ~0ULL;
    if (::ptrace(PTRACE_GETSIGMASK, tid, kSetBytes, &thread->signals) != 0 ||
        ::ptrace(PTRACE_SETSIGMASK, tid, kSetBytes, &all) != 0) {
      return FailErrno(errno, "cannot hold back the signals of thread {}", tid);
    }
    thread->used = true;
  }
  user_regs_struct registers = thread->registers;
  registers.rip -= kSyscallBytes;
  registers.rax = static_cast<uint64_t>(number);
  registers.orig_rax = ~0ULL;
  registers.rdi = arguments[0];
  registers.rsi = arguments[1];
  registers.rdx = arguments[2];
  registers.r10 = arguments[3];
  registers.r8 = arguments[4];
  registers.r9 = arguments[5];
  if (::ptrace(PTRACE_SETREGS, tid, nullptr, &registers) != 0)
    return FailErrno(errno, "cannot set the registers of thread {}", tid);
  for (int half = 0; half < 2; ++half) {  // into the call, and out of it
    if (::ptrace(PTRACE_SYSCALL, tid, nullptr, nullptr) != 0)
      return FailErrno(errno, "cannot go on with thread {}", tid);
    GODWIT_TRY(const int status, AwaitStop(tid, meanwhile));
    if (WSTOPSIG(status) != (SIGTRAP | 0x80))
      return Fail(Code::kBusy, "a signal has come for thread {}, {}", tid, WSTOPSIG(status));
  }
  if (::ptrace(PTRACE_GETREGS, tid, nullptr, &registers) != 0)
    return FailErrno(errno, "cannot read the registers of thread {}", tid);
  return static_cast<long>(registers.rax);
}

// Back to where it was stopped: at the end of a call that is not its own, the kernel would not
// restart the one that is.
Result<> Tracees::Return(Thread& thread) {
  if (!thread.used) return {};
  constexpr uint64_t kSetBytes = 8;
  if (::ptrace(PTRACE_INTERRUPT, thread.tid, nullptr, nullptr) != 0)
    return FailErrno(errno, "cannot bring thread {} back", thread.tid);
  int status = 0;
  for (int stop = 0; status >> 16 != kEventStop; ++stop) {
    if (stop == kMostStops) return Fail(Code::kInternal, "thread {} is lost", thread.tid);
    ::ptrace(PTRACE_CONT, thread.tid, nullptr, nullptr);  // it may be running still
    GODWIT_TRY(status, AwaitStop(thread.tid));
  }
  if (::ptrace(PTRACE_SETSIGMASK, thread.tid, kSetBytes, &thread.signals) != 0 ||
      ::ptrace(PTRACE_SETREGS, thread.tid, nullptr, &thread.registers) != 0) {
    return FailErrno(errno, "cannot restore thread {}", thread.tid);
  }
  thread.used = false;
  return {};
}

// A sleep that is stopped tells what is left of it, though it goes on: nobody is to see that.
void Tracees::Unsay(const Thread& thread) const {
  const auto rest = rests_.find(InsidePid(fmt::format("/proc/{}/task/{}", thread.pid, thread.tid)));
  if (rest == rests_.end() || rest->second.before.empty()) return;
  const bool plain = thread.registers.orig_rax == SYS_nanosleep;
  if (!plain && thread.registers.orig_rax != SYS_clock_nanosleep) return;
  const uint64_t address = plain ? thread.registers.rsi : thread.registers.r10;
  if (address != 0) static_cast<void>(PokeProcess(thread.pid, address, rest->second.before));
}

Result<> Tracees::Mend() {
  Waits waits;
  const Nanos clock = Now() + offset_;
  Moment moment{clock, WallNow(), stopped_ + offset_, {}, {}};
  for (const auto& [tid, rest] : rests_) {
    moment.since[tid] = rest.since + offset_;
    moment.before[tid] = rest.before;
  }
  std::map<int, int> outside;
  for (Thread& thread : threads_) {
    const auto result = static_cast<int64_t>(thread.registers.rax);
    if (static_cast<int64_t>(thread.registers.orig_rax) < 0 ||
        (result != -EINTR && result != -kRestartBlock) || HasSignal(thread.pid, thread.tid)) {
      continue;
    }
    if (result == -kRestartBlock) {
      Unsay(thread);
      continue;
    }
    const int inside = InsidePid(fmt::format("/proc/{}", thread.pid));
    outside[inside] = thread.pid;
    const auto peek = [&](int, uint64_t address, size_t size) {
      return PeekProcess(thread.pid, address, size);
    };
    image::Registers registers = ToImage(thread.registers);
    const int tid = InsidePid(fmt::format("/proc/{}/task/{}", thread.pid, thread.tid));
    if (!ReadWait({inside, tid}, registers, moment, peek, waits)) continue;
    FromImage(registers, thread.registers);
    if (::ptrace(PTRACE_SETREGS, thread.tid, nullptr, &thread.registers) != 0)
      return FailErrno(errno, "cannot restore thread {}", thread.tid);
  }
  if (!waits.timeouts.empty()) GODWIT_TRY(WriteTimeouts(waits.timeouts, Now() + offset_, outside));
  timeouts_ = std::move(waits.timeouts);
  return {};
}

Result<> Tracees::LetGo(const std::function<Result<>()>& last) {
  Result<> done;
  for (Thread& thread : threads_) {
    if (Result<> back = Return(thread); !back && done) done = std::move(back);
  }
  if (const auto mended = Mend(); !mended && done) done = std::unexpected(mended.error());
  if (last && done) done = last();
  for (const Thread& thread : threads_) ::ptrace(PTRACE_DETACH, thread.tid, nullptr, nullptr);
  threads_.clear();
  return done;
}

Tracees::~Tracees() { static_cast<void>(LetGo()); }

#else

Result<std::unique_ptr<Tracees>> Tracees::Stop(const std::vector<int>&, Nanos) {
  return Fail(Code::kUnsupported, "system calls can be made for others on x86-64 alone");
}
bool Tracees::CanCall(int) const { return false; }
Result<long> Tracees::Call(int, long, std::array<uint64_t, 6>, const std::function<void()>&) {
  return Fail(Code::kUnsupported, "system calls can be made for others on x86-64 alone");
}
Result<> Tracees::LetGo(const std::function<Result<>()>&) { return {}; }
Tracees::~Tracees() = default;

#endif

}  // namespace godwit::checkpoint
