#include "checkpoint/timers.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <functional>
#include <vector>

#include "base/try.h"
#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"

namespace godwit::checkpoint {
namespace {

using std::chrono_literals::operator""ns;

constexpr int kTimerfdType = 17;
constexpr uint64_t kSyscallBytes = 2;  // of the instruction
constexpr Nanos kReentry = std::chrono::milliseconds(5);

Nanos Remaining(uint64_t seconds, uint64_t nanoseconds) {
  return std::chrono::seconds(static_cast<int64_t>(seconds)) +
         Nanos(static_cast<int64_t>(nanoseconds));
}

// What is left after `away`; a timer that is due fires at once, but one that is off stays off.
Nanos Less(Nanos left, Nanos away) {
  return left == 0ns ? 0ns : std::max(left - away, Nanos(1000));
}

// Calls `each` with what is left of every running timer on a clock that runs on, and with the
// signal that it sends (0: none), and stores what it returns.
bool ForTimers(image::Core& core, const std::function<Nanos(Nanos, int)>& each) {
  if (!core.has_tc() || !core.tc().has_timers()) return false;
  bool changed = false;
  auto& timers = *core.mutable_tc()->mutable_timers();
  auto& real = *timers.mutable_real();
  const Nanos before = Remaining(real.vsec(), real.vusec() * 1000);
  if (const Nanos after = each(before, SIGALRM); after != before) {
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
    const Nanos has =
        each(had, timer.notify() == SIGEV_NONE ? 0 : static_cast<int>(timer.signal()));
    timer.set_vsec(static_cast<uint64_t>(has / std::chrono::seconds(1)));
    timer.set_vnsec(static_cast<uint64_t>((has % std::chrono::seconds(1)).count()));
    changed |= has != had;
  }
  return changed;
}

// What a handler does to a call that it finds (signal(7)).
enum class Habit : uint8_t { kInterrupts, kAsItIsSet, kRestarts };

Habit HabitOf(const image::Registers& registers) {
  switch (static_cast<long>(registers.orig_ax())) {
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_select:
    case SYS_pselect6:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_io_getevents:
      return Habit::kInterrupts;
    case SYS_futex: {
      const int operation = static_cast<int>(registers.si()) & FUTEX_CMD_MASK;
      if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET) return Habit::kRestarts;
      return registers.r10() == 0 ? Habit::kAsItIsSet : Habit::kInterrupts;
    }
    default:
      return Habit::kAsItIsSet;
  }
}

// Whether the first thread of process `core` has a handler for one of `owed` that ends its call.
bool Ends(const image::Core& core, const std::vector<int>& owed) {
  const auto& registers = core.thread_info().gpregs();
  const Habit habit = HabitOf(registers);
  const auto number = static_cast<long>(registers.orig_ax());
  // These wait with another mask than the thread has.
  const bool masked = number != SYS_rt_sigsuspend && number != SYS_ppoll && number != SYS_pselect6;
  return std::ranges::any_of(owed, [&](int signal) {
    if (signal == 0 || habit == Habit::kRestarts) return false;
    if (masked && (BlockedSignals(core) & MaskOfSignal(signal)) != 0) return false;
    const auto action = ActionOn(core, signal);
    const bool handled = action && action->handler() != reinterpret_cast<uint64_t>(SIG_DFL) &&
                         action->handler() != reinterpret_cast<uint64_t>(SIG_IGN);
    return handled && (habit == Habit::kInterrupts || (action->flags() & SA_RESTART) == 0);
  });
}

// A signal that a timer owes is pending before the thread runs, so its handler would come before
// the call that it was to interrupt, and the call would wait for another. The call has been
// interrupted, then, as it would have been.
bool Interrupt(image::Core& core, const std::vector<int>& owed) {
  if (core.mtype() != kX86 || !core.has_thread_info()) return false;
  auto& registers = *core.mutable_thread_info()->mutable_gpregs();
  if (registers.ax() != registers.orig_ax() || !Ends(core, owed)) return false;
  registers.set_ax(static_cast<uint64_t>(-EINTR));
  registers.set_ip(registers.ip() + kSyscallBytes);
  return true;
}

Result<> ForTimerfds(const std::string& images, const std::function<Nanos(Nanos)>& each) {
  const std::string path = images + "/files.img";
  if (!std::filesystem::exists(path)) return {};
  GODWIT_TRY(ImageFile file, ReadImageFile(path));
  bool changed = false;
  for (auto& bytes : file.entries) {
    GODWIT_TRY(image::File entry, ParseEntry<image::File>(path, bytes));
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

Result<std::optional<Nanos>> NearestTimer(const std::string& images) {
  std::optional<Nanos> nearest;
  const auto note = [&](Nanos left) {
    if (left != 0ns) nearest = std::min(nearest.value_or(left), left);
    return left;
  };
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& process : tree) {
    if (process.threads().empty()) continue;
    GODWIT_TRY(ChangeCore(images, process.pid(), [&](image::Core& core) {
      if (const auto timer = NearestTimer(core)) note(*timer);
      return false;
    }));
  }
  GODWIT_TRY(ForTimerfds(images, note));
  return nearest;
}

std::optional<Nanos> NearestTimer(const image::Core& core) {
  std::optional<Nanos> nearest;
  image::Core copy = core;
  ForTimers(copy, [&](Nanos left, int) {
    if (left != 0ns) nearest = std::min(nearest.value_or(left), left);
    return left;
  });
  return nearest;
}

Result<> MendTimers(const std::string& images, Nanos away) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  const auto less = [&](Nanos left) { return Less(left, away); };
  for (const auto& process : tree) {
    if (process.threads().empty()) continue;
    GODWIT_TRY(ChangeCore(images, process.pid(), [&](image::Core& core) {
      std::vector<int> owed;
      const bool changed = ForTimers(core, [&](Nanos left, int signal) {
        if (left != 0ns && left <= away) owed.push_back(signal);
        const Nanos rest = Less(left, away);
        // One that is not due yet must not be before its thread is back in the call that it is to
        // interrupt.
        return left > away ? std::max(rest, kReentry) : rest;
      });
      return Interrupt(core, owed) || changed;
    }));
  }
  return ForTimerfds(images, less);
}

}  // namespace godwit::checkpoint
