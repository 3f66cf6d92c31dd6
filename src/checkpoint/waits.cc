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
#include "checkpoint/inside.h"
#include "checkpoint/timers.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

namespace godwit::checkpoint {
namespace {

using Argument = void (image::Registers::*)(uint64_t);

constexpr uint64_t kSyscallBytes = 2;  // of the instruction
// Below the 128 bytes that the x86-64 ABI lets a leaf function use under its stack pointer (System
// V ABI, 3.2.2).
constexpr uint64_t kScratch = 512;
constexpr int64_t kMostSeconds = 4'000'000'000;  // for ever, as far as Nanos are concerned

// One thread as it was dumped, and what is to be found out about it.
struct Thread {
  int process;
  image::Registers* registers;
  Nanos now;
  Nanos wall;
  Nanos since;                 // it has been in its call for as long
  std::optional<Nanos> timer;  // when its process is sent a signal
  const std::string* before;   // what its sleep has written over
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
    return std::chrono::seconds(std::clamp<int64_t>(parts[0], 0, kMostSeconds)) +
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
  bool ReissueUntil(Nanos deadline, Argument argument,
                    Timeout::Form form = Timeout::Form::kTimespec) {
    DueAt(deadline);
    const uint64_t scratch = (registers->sp() - kScratch) & ~uint64_t{15};
    if (!interrupted() || !(*peek)(process, scratch, sizeof(timespec))) return false;
    (registers->*argument)(scratch);
    waits->timeouts.push_back({process, scratch, form, deadline});
    Reissue();
    return true;
  }

  // The time-out is at `address`, and counts from when the call began.
  void ReissueFrom(uint64_t address, Argument argument,
                   Timeout::Form form = Timeout::Form::kTimespec) {
    if (address == 0) return Reissue();
    const auto timeout = ReadTime(address, form);
    if (timeout) ReissueUntil(std::max(now, since + *timeout), argument, form);
  }

  // The same of a sleep, which has told what is left at `rest`, if that is not 0. Nobody is to see
  // that, unless it is going to be interrupted: a timer that has run out before the thread is back
  // in its call interrupts it, too (MendTimers).
  void ReissueSleep(uint64_t address, Argument argument, uint64_t rest) {
    const auto left = ReadTime(rest, Timeout::Form::kTimespec);
    if (!left || !interrupted()) return ReissueFrom(address, argument);
    const Nanos deadline = now + *left;
    if (!ReissueUntil(deadline, argument)) return;
    if (timer && *timer < deadline) {
      waits->timeouts.push_back({process, rest, Timeout::Form::kTimespec, deadline});
    } else if (before && before->size() == sizeof(timespec)) {
      for (size_t at = 0; at < before->size(); at += sizeof(int64_t)) {
        int64_t word = 0;
        std::memcpy(&word, before->data() + at, sizeof word);
        waits->timeouts.push_back({process, rest + at, Timeout::Form::kWord, Nanos(word)});
      }
    }
  }

  // The same in milliseconds, for ever if negative; `number` is the call that takes a timespec as
  // `argument` instead, and a signal mask behind it: none.
  void ReissueAs(long number, uint64_t milliseconds, Argument argument, Argument mask) {
    const auto timeout = static_cast<int32_t>(milliseconds);
    if (timeout < 0) return Reissue();
    const Nanos deadline = std::max(now, since + std::chrono::milliseconds(timeout));
    const uint64_t original = registers->orig_ax();
    registers->set_orig_ax(static_cast<uint64_t>(number));
    if (!ReissueUntil(deadline, argument)) {
      registers->set_orig_ax(original);
      return;
    }
    if (mask != nullptr) (registers->*mask)(0);
  }

  // The kernel has written what is left to where the call will read it again (select(2), ppoll(2));
  // if it could not, it has ended the call instead.
  void KeepFor(uint64_t address, Argument argument, Timeout::Form form) {
    if (interrupted()) return ReissueFrom(address, argument, form);
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

  // Whether one of the signals in `pending`, which it blocks otherwise, ends its call.
  bool Awaits(uint64_t pending) const {
    const auto number = static_cast<long>(registers->orig_ax());
    const bool suspended = number == SYS_rt_sigsuspend;
    if (pending == 0 || (!suspended && number != SYS_rt_sigtimedwait)) return false;
    const auto bytes = (*peek)(process, registers->di(), sizeof(uint64_t));
    uint64_t set = 0;
    if (!bytes || bytes->size() != sizeof set) return false;
    std::memcpy(&set, bytes->data(), sizeof set);
    return (pending & (suspended ? ~set : set)) != 0;
  }

  // The call may not wait for long: nobody knows how long it has waited.
  void ReissueAtOnce() {
    if (!interrupted()) return;
    DueAt(now);
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
  const bool called = static_cast<int64_t>(registers.orig_ax()) >= 0;
  const bool rewound = called && registers.ax() == registers.orig_ax();
  if (!called || (!thread.interrupted() && !rewound)) return thread.DueAt(thread.now);  // it runs
  switch (static_cast<long>(registers.orig_ax())) {
    case SYS_nanosleep:
      thread.ReissueSleep(registers.di(), &Registers::set_di, registers.si());
      break;
    case SYS_clock_nanosleep:
      if ((registers.si() & TIMER_ABSTIME) != 0) {
        thread.UntilAbsolute(registers.dx(), registers.di() == CLOCK_REALTIME);
      } else {
        thread.ReissueSleep(registers.dx(), &Registers::set_dx, registers.r10());
      }
      break;
    case SYS_select:
      thread.KeepFor(registers.r8(), &Registers::set_r8, Timeout::Form::kTimeval);
      break;
    case SYS_pselect6:
      thread.KeepFor(registers.r8(), &Registers::set_r8, Timeout::Form::kTimespec);
      break;
    case SYS_ppoll:
      thread.KeepFor(registers.dx(), &Registers::set_dx, Timeout::Form::kTimespec);
      break;
    case SYS_poll:
      thread.ReissueAs(SYS_ppoll, registers.dx(), &Registers::set_dx, &Registers::set_r10);
      break;
    case SYS_epoll_wait:
      thread.ReissueAs(SYS_epoll_pwait2, registers.r10(), &Registers::set_r10, &Registers::set_r8);
      break;
    case SYS_epoll_pwait:
      thread.ReissueAs(SYS_epoll_pwait2, registers.r10(), &Registers::set_r10, nullptr);
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
    case SYS_futex_waitv:
      thread.UntilAbsolute(registers.r10(), registers.r8() == CLOCK_REALTIME);
      break;
    case SYS_io_getevents:
      thread.ReissueFrom(registers.r8(), &Registers::set_r8);
      break;
    case SYS_semop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_read:  // of an inotify descriptor
    case SYS_readv:
      thread.Reissue();
      break;
    case SYS_recvfrom:  // of a socket that got a time-out in the last moment (CheckCalls)
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_write:
    case SYS_writev:
      thread.ReissueAtOnce();
      break;
    default:
      break;
  }
}

}  // namespace

bool ReadWait(ThreadName name, image::Registers& registers, const Moment& stopped, const Peek& peek,
              Waits& waits) {
  const auto since = stopped.since.find(name.tid);
  const auto before = stopped.before.find(name.tid);
  Thread thread{name.pid,
                &registers,
                stopped.clock,
                stopped.wall,
                since == stopped.since.end() ? stopped.calm : since->second,
                std::nullopt,
                before == stopped.before.end() ? nullptr : &before->second,
                &peek,
                &waits};
  ReadThread(thread);
  return thread.changed;
}

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
        const auto before = stopped.before.find(static_cast<int>(tid));
        Thread thread{static_cast<int>(process.pid()),
                      core.mutable_thread_info()->mutable_gpregs(),
                      stopped.clock,
                      stopped.wall,
                      since == stopped.since.end() ? stopped.calm : since->second,
                      std::nullopt,
                      before == stopped.before.end() ? nullptr : &before->second,
                      &peek,
                      &waits};
        if (const auto left = NearestTimer(core)) thread.timer = stopped.clock + *left;
        if (DueSignals(core, shared) != 0) {
          // It is truly interrupted, and has something to do.
          thread.DueAt(stopped.clock);
          return false;
        }
        ReadThread(thread);
        if (thread.Awaits(PendingSignals(core, shared))) thread.DueAt(stopped.clock);
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
    const bool word = timeout.form == Timeout::Form::kWord;
    Nanos left = word ? Nanos(0) : std::max(timeout.deadline - now, Nanos(1000));
    if (timeout.form == Timeout::Form::kTimeval) left += Nanos(999);  // rather late than early
    const int64_t seconds = left / std::chrono::seconds(1);
    const int64_t rest = (left % std::chrono::seconds(1)).count();
    const int64_t parts[2] = {word ? timeout.deadline.count() : seconds,
                              timeout.form == Timeout::Form::kTimeval ? rest / 1000 : rest};
    const size_t size = word ? sizeof parts[0] : sizeof parts;
    GODWIT_TRY(
        PokeProcess(found->second, timeout.address, {reinterpret_cast<const char*>(parts), size})
            .Within("cannot set a time-out"));
  }
  return {};
}

}  // namespace godwit::checkpoint
