#include "checkpoint/timers.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <functional>

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
      ForTimers(core, note);
      return false;
    }));
  }
  GODWIT_TRY(ForTimerfds(images, note));
  return nearest;
}

Result<> MendTimers(const std::string& images, Nanos away) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  const auto less = [&](Nanos left) { return Less(left, away); };
  for (const auto& process : tree) {
    if (process.threads().empty()) continue;
    GODWIT_TRY(ChangeCore(images, process.pid(), [&](image::Core& core) {
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

}  // namespace godwit::checkpoint
