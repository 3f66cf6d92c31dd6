#pragma once

// Time as Godwit keeps it: the wall clock for what must hold over restarts, the steady clock for
// waits within one boot.
//
// Both are signed nanoseconds in strong types, so that one is never taken for the other. The Clock
// is a seam: tests hold it still, or let it be wrong (clock.cc). Threads: any. Failure: none.
#include <chrono>
#include <compare>
#include <string>

namespace godwit {

using Nanos = std::chrono::nanoseconds;

struct WallTime {  // CLOCK_REALTIME, since 1970-01-01 UTC
  Nanos since_epoch{};
  auto operator<=>(const WallTime&) const = default;
  friend WallTime operator+(WallTime t, Nanos d) { return {t.since_epoch + d}; }
  friend WallTime operator-(WallTime t, Nanos d) { return {t.since_epoch - d}; }
  friend Nanos operator-(WallTime a, WallTime b) { return a.since_epoch - b.since_epoch; }
};

struct SteadyTime {  // CLOCK_MONOTONIC of this boot, outside any time namespace
  Nanos since_boot{};
  auto operator<=>(const SteadyTime&) const = default;
  friend SteadyTime operator+(SteadyTime t, Nanos d) { return {t.since_boot + d}; }
  friend SteadyTime operator-(SteadyTime t, Nanos d) { return {t.since_boot - d}; }
  friend Nanos operator-(SteadyTime a, SteadyTime b) { return a.since_boot - b.since_boot; }
};

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  virtual WallTime Wall() const = 0;
  virtual SteadyTime Steady() const = 0;
};

class SystemClock : public Clock {
 public:
  WallTime Wall() const override;
  SteadyTime Steady() const override;
};

// "2026-11-22T01:19:00.123+0000", as Lambda writes LastModified (ISO 8601 with offset,
// milliseconds).
std::string FormatIso(WallTime time);
// "2026-11-22T01:19:00.123Z" (RFC 3339).
std::string FormatRfc3339(WallTime time);

}  // namespace godwit
