#include "checkpoint/live_deadline.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "checkpoint/calls.h"
#include "checkpoint/inside.h"
#include "checkpoint/rest.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostSeconds = 4'000'000'000;  // for ever, as far as Nanos are concerned

Nanos Now(clockid_t clock) {
  timespec now = {};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

std::optional<Nanos> ReadTime(int pid, uint64_t address, int64_t unit) {
  if (address == 0) return std::nullopt;
  const auto bytes = PeekProcess(pid, address, 2 * sizeof(int64_t));
  if (!bytes || bytes->size() != 2 * sizeof(int64_t)) return std::nullopt;
  int64_t parts[2];
  std::memcpy(parts, bytes->data(), sizeof parts);
  return std::chrono::seconds(std::clamp<int64_t>(parts[0], 0, kMostSeconds)) +
         Nanos(parts[1] * unit);
}

// A time on the wall clock, or on CLOCK_MONOTONIC already.
std::optional<Nanos> Absolute(std::optional<Nanos> at, bool on_wall_clock) {
  if (!at || !on_wall_clock) return at;
  return *at - Now(CLOCK_REALTIME) + Now(CLOCK_MONOTONIC);
}

std::optional<Nanos> DeadlineOf(int pid, const Call& call, Nanos since) {
  const auto& a = call.arguments;
  const auto from = [&](uint64_t address, int64_t unit = 1) -> std::optional<Nanos> {
    const auto span = ReadTime(pid, address, unit);
    return span ? std::optional(since + *span) : std::nullopt;
  };
  const auto milliseconds = [&](uint64_t value) -> std::optional<Nanos> {
    const auto span = static_cast<int32_t>(value);
    return span < 0 ? std::nullopt : std::optional(since + std::chrono::milliseconds(span));
  };
  switch (call.number) {
#ifdef SYS_poll
    case SYS_poll:
      return milliseconds(a[2]);
    case SYS_epoll_wait:
      return milliseconds(a[3]);
    case SYS_select:
      return from(a[4], 1000);
#endif
    case SYS_epoll_pwait:
      return milliseconds(a[3]);
    case SYS_ppoll:
      return from(a[2]);
    case SYS_pselect6:
      return from(a[4]);
    case SYS_epoll_pwait2:
    case SYS_semtimedop:
      return from(a[3]);
    case SYS_rt_sigtimedwait:
      return from(a[2]);
    case SYS_nanosleep:
      return from(a[0]);
    case SYS_clock_nanosleep:
      if ((a[1] & TIMER_ABSTIME) == 0) return from(a[2]);
      return Absolute(ReadTime(pid, a[2], 1), a[0] == CLOCK_REALTIME);
    case SYS_mq_timedreceive:
    case SYS_mq_timedsend:
      return Absolute(ReadTime(pid, a[4], 1), true);
    case SYS_futex: {
      const auto operation = static_cast<int>(a[1]);
      if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) return from(a[3]);
      if ((operation & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET) return std::nullopt;
      return Absolute(ReadTime(pid, a[3], 1), (operation & FUTEX_CLOCK_REALTIME) != 0);
    }
    default:
      return std::nullopt;
  }
}

// What is left of a timerfd (proc(5): "it_value: (seconds, nanoseconds)").
std::optional<Nanos> TimerIn(const fs::path& fdinfo) {
  std::ifstream file(fdinfo);
  for (std::string line; std::getline(file, line);) {
    long long seconds = 0;
    long long rest = 0;
    if (std::sscanf(line.c_str(), "it_value: (%lld, %lld)", &seconds, &rest) != 2) continue;
    const Nanos left = std::chrono::seconds(seconds) + Nanos(rest);
    if (left > Nanos(0)) return left;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Nanos> LiveDeadline(const std::vector<int>& pids, Nanos calm) {
  const Rests rests = ReadRests(pids);
  std::optional<Nanos> earliest;
  const auto due = [&](std::optional<Nanos> at) {
    if (at) earliest = std::min(earliest.value_or(*at), *at);
  };
  ForThreads(pids, [&](int pid, const fs::path& thread) {
    const auto call = ReadCall(thread);
    if (!call) return;
    const auto rest = rests.find(InsidePid(thread));
    due(DeadlineOf(pid, *call, rest == rests.end() ? calm : rest->second.since));
  });
  for (const int pid : pids) {
    std::error_code error;
    const fs::path fdinfo = fs::path("/proc") / std::to_string(pid) / "fdinfo";
    for (const auto& entry : fs::directory_iterator(fdinfo, error)) {
      if (const auto left = TimerIn(entry.path())) due(Now(CLOCK_MONOTONIC) + *left);
    }
  }
  return earliest;
}

}  // namespace godwit::checkpoint
