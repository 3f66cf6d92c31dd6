#include "checkpoint/waits.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ns;

constexpr int kX86 = 1;
constexpr Nanos kReentry = std::chrono::milliseconds(5);
constexpr int kTimerfdType = 17;
constexpr uint64_t kSyscallBytes = 2;  // of the instruction
// Below the 128 bytes that the x86-64 ABI lets a leaf function use under its stack pointer (System
// V ABI, 3.2.2).
constexpr uint64_t kScratch = 512;

// One thread as it was dumped, and what is to be found out about it.
struct Thread {
  int process;
  image::Registers* registers;
  Nanos now;
  Nanos wall;
  Nanos calm;
  const Peek* peek;
  Waits* waits;
  bool changed = false;

  bool interrupted() const { return static_cast<int64_t>(registers->ax()) == -EINTR; }

  std::optional<Nanos> ReadTime(uint64_t address, Timeout::Form form) const {
    if (address == 0) return std::nullopt;
    const auto bytes = (*peek)(process, address, sizeof(timespec));
    if (!bytes || bytes->size() != sizeof(timespec)) return std::nullopt;
    int64_t parts[2];
    std::memcpy(parts, bytes->data(), sizeof parts);
    return std::chrono::seconds(parts[0]) +
           Nanos(form == Timeout::Form::kTimespec ? parts[1] : parts[1] * 1000);
  }

  void DueAt(Nanos deadline) const {
    if (!waits->deadline || deadline < *waits->deadline) waits->deadline = deadline;
  }

  // The call is made again, with the arguments it had.
  void Reissue() {
    if (!interrupted()) return;  // CRIU has put the instruction pointer back already
    registers->set_ax(registers->orig_ax());
    registers->set_ip(registers->ip() - kSyscallBytes);
    changed = true;
  }

  // The same, and `argument` points at a copy of the time that is left, below the stack.
  void ReissueFor(Nanos left, void (image::Registers::*argument)(uint64_t)) {
    DueAt(now + left);
    const uint64_t scratch = (registers->sp() - kScratch) & ~uint64_t{15};
    if (!interrupted() || !(*peek)(process, scratch, sizeof(timespec))) return;
    (registers->*argument)(scratch);
    waits->timeouts.push_back({process, scratch, Timeout::Form::kTimespec, now + left});
    Reissue();
  }

  // The kernel has written what is left to where the call will read it again (select(2), ppoll(2)).
  void KeepFor(uint64_t address, Timeout::Form form) const {
    const auto left = ReadTime(address, form);
    if (!left) return;
    DueAt(now + *left);
    waits->timeouts.push_back({process, address, form, now + *left});
  }

  void UntilAbsolute(uint64_t address, bool on_wall_clock) {
    const auto at = ReadTime(address, Timeout::Form::kTimespec);
    if (at) DueAt(on_wall_clock ? now + (*at - wall) : *at);
    Reissue();
  }
};

// A call that has waited since `calm` or a little longer, of `milliseconds` (negative: for ever).
void Milliseconds(const Thread& thread, uint64_t milliseconds) {
  const auto timeout = static_cast<int32_t>(milliseconds);
  if (timeout >= 0)
    thread.DueAt(std::max(thread.now, thread.calm + std::chrono::milliseconds(timeout)));
}

// The same with the time at `address`.
void Relative(const Thread& thread, uint64_t address) {
  const auto timeout = thread.ReadTime(address, Timeout::Form::kTimespec);
  if (timeout) thread.DueAt(std::max(thread.now, thread.calm + *timeout));
}

void Nanosleep(Thread& thread, uint64_t remaining, void (image::Registers::*argument)(uint64_t)) {
  // The kernel leaves what is left where the caller asked for it; a caller that did not ask gets
  // EINTR, as POSIX has it.
  const auto left = thread.ReadTime(remaining, Timeout::Form::kTimespec);
  if (left) thread.ReissueFor(*left, argument);
}

void ReadFutex(Thread& thread) {
  const auto& registers = *thread.registers;
  const auto operation = static_cast<int>(registers.si());
  switch (operation & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2: {
      const bool wall =
          (operation & FUTEX_CLOCK_REALTIME) != 0 || (operation & FUTEX_CMD_MASK) == FUTEX_LOCK_PI;
      thread.UntilAbsolute(registers.r10(), wall);
      break;
    }
    case FUTEX_WAIT:
      registers.r10() == 0 ? thread.Reissue() : Relative(thread, registers.r10());
      break;
    default:
      break;
  }
}

void ReadThread(Thread& thread) {
  const auto& registers = *thread.registers;
  const bool rewound = registers.ax() == registers.orig_ax();
  if (!thread.interrupted() && !rewound) return;
  switch (static_cast<long>(registers.orig_ax())) {
    case SYS_nanosleep:
      Nanosleep(thread, registers.si(), &image::Registers::set_di);
      break;
    case SYS_clock_nanosleep:
      if ((registers.si() & TIMER_ABSTIME) != 0) {
        thread.UntilAbsolute(registers.dx(), registers.di() == CLOCK_REALTIME);
      } else {
        Nanosleep(thread, registers.r10(), &image::Registers::set_dx);
      }
      break;
    case SYS_select:
      thread.KeepFor(registers.r8(), Timeout::Form::kTimeval);
      break;
    case SYS_pselect6:
      thread.KeepFor(registers.r8(), Timeout::Form::kTimespec);
      break;
    case SYS_ppoll:
      thread.KeepFor(registers.dx(), Timeout::Form::kTimespec);
      break;
    case SYS_poll:
      Milliseconds(thread, registers.dx());
      break;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
      Milliseconds(thread, registers.r10());
      break;
    case SYS_epoll_pwait2:
    case SYS_semtimedop:
      Relative(thread, registers.r10());
      break;
    case SYS_rt_sigtimedwait:
      Relative(thread, registers.dx());
      break;
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend:
      thread.UntilAbsolute(registers.r8(), true);
      break;
    case SYS_futex:
      ReadFutex(thread);
      break;
    default:
      break;
  }
}

template <typename Message>
Result<Message> Parse(const std::string& name, const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes))
    return Fail(Code::kCorrupt, "'{}' holds an entry that cannot be read", name);
  return message;
}

// Reads, changes and writes back the one entry of a core image.
Result<> ChangeCore(const std::string& path, const std::function<bool(image::Core&)>& change) {
  GODWIT_TRY(ImageFile file, ReadImageFile(path));
  if (file.entries.size() != 1)
    return Fail(Code::kCorrupt, "'{}' has {} entries", path, file.entries.size());
  GODWIT_TRY(image::Core core, Parse<image::Core>(path, file.entries.front()));
  if (!change(core)) return {};
  file.entries.front() = core.SerializeAsString();
  return WriteImageFile(path, file);
}

std::string CorePath(const std::string& images, uint32_t pid) {
  return fmt::format("{}/core-{}.img", images, pid);
}

Result<std::vector<image::Pstree>> ReadTree(const std::string& images) {
  const std::string path = images + "/pstree.img";
  GODWIT_TRY(const ImageFile file, ReadImageFile(path));
  std::vector<image::Pstree> tree;
  for (const auto& entry : file.entries) {
    GODWIT_TRY(auto process, Parse<image::Pstree>(path, entry));
    tree.push_back(std::move(process));
  }
  return tree;
}

Nanos Remaining(uint64_t seconds, uint64_t nanoseconds) {
  return std::chrono::seconds(static_cast<int64_t>(seconds)) +
         Nanos(static_cast<int64_t>(nanoseconds));
}

// What is left after `away`; a timer that is due fires at once, but one that is off stays off.
Nanos Less(Nanos left, Nanos away) {
  return left == 0ns ? 0ns : std::max(left - away, Nanos(1000));
}

// Calls `each` with what is left of every running timer on a clock that runs on, and stores what it
// returns.
bool ForTimers(image::Core& core, const std::function<Nanos(Nanos)>& each) {
  if (!core.has_tc() || !core.tc().has_timers()) return false;
  bool changed = false;
  auto& timers = *core.mutable_tc()->mutable_timers();
  auto& real = *timers.mutable_real();
  const Nanos before = Remaining(real.vsec(), real.vusec() * 1000);
  if (const Nanos after = each(before); after != before) {
    real.set_vsec(static_cast<uint64_t>(after / std::chrono::seconds(1)));
    real.set_vusec(static_cast<uint64_t>((after % std::chrono::seconds(1)).count() / 1000));
    changed = true;
  }
  for (auto& timer : *timers.mutable_posix()) {
    if (timer.clock_id() != CLOCK_REALTIME && timer.clock_id() != CLOCK_MONOTONIC &&
        timer.clock_id() != CLOCK_BOOTTIME) {
      continue;
    }
    const Nanos had = Remaining(timer.vsec(), timer.vnsec());
    const Nanos has = each(had);
    timer.set_vsec(static_cast<uint64_t>(has / std::chrono::seconds(1)));
    timer.set_vnsec(static_cast<uint64_t>((has % std::chrono::seconds(1)).count()));
    changed |= has != had;
  }
  return changed;
}

// A signal that a timer owes is pending before the thread runs, so its handler would come before
// the call that it was to interrupt, and the call would wait for another. The call has been
// interrupted, then, as it would have been: those that a handler always interrupts, and never
// restarts (signal(7)).
bool Interrupt(image::Core& core) {
  if (core.mtype() != kX86 || !core.has_thread_info()) return false;
  auto& registers = *core.mutable_thread_info()->mutable_gpregs();
  if (registers.ax() != registers.orig_ax()) return false;
  switch (static_cast<long>(registers.orig_ax())) {
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_select:
    case SYS_pselect6:
    case SYS_ppoll:
      registers.set_ax(static_cast<uint64_t>(-EINTR));
      registers.set_ip(registers.ip() + kSyscallBytes);
      return true;
    default:
      return false;
  }
}

Result<> ForTimerfds(const std::string& images, const std::function<Nanos(Nanos)>& each) {
  const std::string path = images + "/files.img";
  if (!fs::exists(path)) return {};
  GODWIT_TRY(ImageFile file, ReadImageFile(path));
  bool changed = false;
  for (auto& bytes : file.entries) {
    GODWIT_TRY(image::File entry, Parse<image::File>(path, bytes));
    if (entry.type() != kTimerfdType || !entry.has_tfd()) continue;
    auto& timer = *entry.mutable_tfd();
    const Nanos had = Remaining(timer.vsec(), timer.vnsec());
    const Nanos has = each(had);
    timer.set_vsec(static_cast<uint64_t>(has / std::chrono::seconds(1)));
    timer.set_vnsec(static_cast<uint64_t>((has % std::chrono::seconds(1)).count()));
    // The dumped value is relative whatever the flags say; CRIU would take it for an absolute one.
    if (has != had) timer.set_settime_flags(0);
    changed |= has != had;
    bytes = entry.SerializeAsString();
  }
  return changed ? WriteImageFile(path, file) : Result<>{};
}

}  // namespace

Result<Waits> ReadWaits(const std::string& images, const Moment& stopped, const Peek& peek) {
  const Nanos now = stopped.clock;
  Waits waits;
  GODWIT_TRY(const auto tree, ReadTree(images));
  const auto note = [&](Nanos left) {
    if (left != 0ns && (!waits.deadline || stopped.dumped + left < *waits.deadline)) {
      waits.deadline = stopped.dumped + left;
    }
    return left;
  };
  for (const auto& process : tree) {
    std::vector<uint32_t> threads(process.threads().begin(), process.threads().end());
    if (std::ranges::find(threads, process.pid()) == threads.end())
      threads.push_back(process.pid());
    for (const uint32_t tid : threads) {
      GODWIT_TRY(ChangeCore(CorePath(images, tid), [&](image::Core& core) {
        ForTimers(core, note);
        const bool signalled = core.thread_core().signals_p().signals_size() > 0 ||
                               core.tc().signals_s().signals_size() > 0;
        if (core.mtype() != kX86 || !core.has_thread_info() || signalled) return false;
        Thread thread{static_cast<int>(process.pid()),
                      core.mutable_thread_info()->mutable_gpregs(),
                      now,
                      stopped.wall,
                      stopped.calm,
                      &peek,
                      &waits};
        ReadThread(thread);
        return thread.changed;
      }));
    }
  }
  GODWIT_TRY(ForTimerfds(images, note));
  return waits;
}

Result<> MendTimers(const std::string& images, Nanos away) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  const auto less = [&](Nanos left) { return Less(left, away); };
  for (const auto& process : tree) {
    GODWIT_TRY(ChangeCore(CorePath(images, process.pid()), [&](image::Core& core) {
      bool owed = false;
      const bool changed = ForTimers(core, [&](Nanos left) {
        owed |= left != 0ns && left <= away;
        const Nanos rest = Less(left, away);
        // One that is not due yet must not be before its thread is back in the call that it is to
        // interrupt.
        return left > away ? std::max(rest, kReentry) : rest;
      });
      return (owed && Interrupt(core)) || changed;
    }));
  }
  return ForTimerfds(images, less);
}

Result<> WriteTimeouts(const std::vector<Timeout>& timeouts, Nanos now,
                       const std::map<int, int>& outside) {
  for (const auto& timeout : timeouts) {
    const auto found = outside.find(timeout.pid);
    if (found == outside.end())
      return Fail(Code::kCorrupt, "process {} is not there to go on waiting", timeout.pid);
    const Nanos left = std::max(timeout.deadline - now, Nanos(1000));
    const int64_t seconds = left / std::chrono::seconds(1);
    const int64_t rest = (left % std::chrono::seconds(1)).count();
    const int64_t parts[2] = {seconds,
                              timeout.form == Timeout::Form::kTimespec ? rest : rest / 1000};
    GODWIT_TRY(const Fd memory, Open(fmt::format("/proc/{}/mem", found->second), O_WRONLY));
    if (::pwrite(memory.get(), parts, sizeof parts, static_cast<off_t>(timeout.address)) !=
        sizeof parts) {
      return FailErrno(errno, "cannot set a time-out of process {}", timeout.pid);
    }
  }
  return {};
}

std::optional<std::string> PeekProcess(int outside, uint64_t address, size_t size) {
  const Result<Fd> memory = Open(fmt::format("/proc/{}/mem", outside), O_RDONLY);
  if (!memory) return std::nullopt;
  std::string bytes(size, '\0');
  if (::pread(memory->get(), bytes.data(), size, static_cast<off_t>(address)) !=
      static_cast<ssize_t>(size)) {
    return std::nullopt;
  }
  return bytes;
}

std::map<int, int> InsidePids(const std::vector<int>& pids) {
  std::map<int, int> outside;
  for (const int pid : pids) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("NSpid:")) continue;
      outside[std::stoi(line.substr(line.find_last_of('\t') + 1))] = pid;
      break;
    }
  }
  return outside;
}

}  // namespace godwit::checkpoint
