#include "checkpoint/waits.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/core_image.h"

namespace godwit::checkpoint {
namespace {

using Argument = void (image::Registers::*)(uint64_t);

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
  Nanos since;  // it has been in its call for as long
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

  // The same, and `argument` points at a copy of the time that is left, below the stack. False: it
  // is not to be made again, or there is no room.
  bool ReissueUntil(Nanos deadline, Argument argument) {
    DueAt(deadline);
    const uint64_t scratch = (registers->sp() - kScratch) & ~uint64_t{15};
    if (!interrupted() || !(*peek)(process, scratch, sizeof(timespec))) return false;
    (registers->*argument)(scratch);
    waits->timeouts.push_back({process, scratch, Timeout::Form::kTimespec, deadline});
    Reissue();
    return true;
  }

  // What is left has been written to `address`; a caller that did not ask for it gets EINTR, as
  // POSIX has it.
  void ReissueForRest(uint64_t address, Argument argument) {
    const auto left = ReadTime(address, Timeout::Form::kTimespec);
    if (left) ReissueUntil(now + *left, argument);
  }

  // The time-out is at `address`, and counts from when the call began.
  void ReissueFrom(uint64_t address, Argument argument) {
    if (address == 0) return Reissue();
    const auto timeout = ReadTime(address, Timeout::Form::kTimespec);
    if (timeout) ReissueUntil(std::max(now, since + *timeout), argument);
  }

  // The same in milliseconds, for ever if negative; `number` is the call that takes a timespec as
  // `argument` instead, and two arguments behind it that must be 0.
  void ReissueAs(long number, uint64_t milliseconds, Argument argument, Argument behind,
                 Argument last) {
    const auto timeout = static_cast<int32_t>(milliseconds);
    if (timeout < 0) return Reissue();
    const Nanos deadline = std::max(now, since + std::chrono::milliseconds(timeout));
    const uint64_t original = registers->orig_ax();
    registers->set_orig_ax(static_cast<uint64_t>(number));
    if (!ReissueUntil(deadline, argument)) {
      registers->set_orig_ax(original);
      return;
    }
    if (behind != nullptr) (registers->*behind)(0);
    if (last != nullptr) (registers->*last)(0);
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
      thread.ReissueFrom(registers.r10(), &image::Registers::set_r10);
      break;
    default:
      break;
  }
}

void ReadThread(Thread& thread) {
  using image::Registers;
  const Registers& registers = *thread.registers;
  const bool rewound = registers.ax() == registers.orig_ax();
  if (!thread.interrupted() && !rewound) return;
  switch (static_cast<long>(registers.orig_ax())) {
    case SYS_nanosleep:
      thread.ReissueForRest(registers.si(), &Registers::set_di);
      break;
    case SYS_clock_nanosleep:
      if ((registers.si() & TIMER_ABSTIME) != 0) {
        thread.UntilAbsolute(registers.dx(), registers.di() == CLOCK_REALTIME);
      } else {
        thread.ReissueForRest(registers.r10(), &Registers::set_dx);
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
      thread.ReissueAs(SYS_ppoll, registers.dx(), &Registers::set_dx, &Registers::set_r10, nullptr);
      break;
    case SYS_epoll_wait:
      thread.ReissueAs(SYS_epoll_pwait2, registers.r10(), &Registers::set_r10, &Registers::set_r8,
                       &Registers::set_r9);
      break;
    case SYS_epoll_pwait:
      thread.ReissueAs(SYS_epoll_pwait2, registers.r10(), &Registers::set_r10, nullptr, nullptr);
      break;
    case SYS_epoll_pwait2:
    case SYS_semtimedop:
      thread.ReissueFrom(registers.r10(), &Registers::set_r10);
      break;
    case SYS_rt_sigtimedwait:
      thread.ReissueFrom(registers.dx(), &Registers::set_dx);
      break;
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend:
      thread.UntilAbsolute(registers.r8(), true);
      break;
    case SYS_futex:
      ReadFutex(thread);
      break;
    case SYS_semop:
    case SYS_msgrcv:
    case SYS_msgsnd:
      thread.Reissue();
      break;
    default:
      break;
  }
}

}  // namespace

Result<Waits> ReadWaits(const std::string& images, const Moment& stopped, const Peek& peek) {
  Waits waits;
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& process : tree) {
    if (process.threads().empty()) continue;
    uint64_t shared = 0;
    GODWIT_TRY(ChangeCore(images, process.pid(), [&](image::Core& core) {
      shared = SharedSignals(core);
      return false;
    }));
    for (const uint32_t tid : process.threads()) {
      GODWIT_TRY(ChangeCore(images, tid, [&](image::Core& core) {
        if (core.mtype() != kX86 || !core.has_thread_info()) return false;
        const auto since = stopped.since.find(static_cast<int>(tid));
        Thread thread{static_cast<int>(process.pid()),
                      core.mutable_thread_info()->mutable_gpregs(),
                      stopped.clock,
                      stopped.wall,
                      since == stopped.since.end() ? stopped.calm : since->second,
                      &peek,
                      &waits};
        if (DueSignals(core, shared) != 0) {
          // It is truly interrupted, and has something to do.
          thread.DueAt(stopped.clock);
          return false;
        }
        ReadThread(thread);
        return thread.changed;
      }));
    }
  }
  return waits;
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

}  // namespace godwit::checkpoint
