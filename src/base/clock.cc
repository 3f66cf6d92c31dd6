#include "base/clock.h"

#include <fmt/core.h>

#include <cstdlib>
#include <ctime>

namespace godwit {
namespace {

Nanos Read(clockid_t id) {
  timespec now = {};
  ::clock_gettime(id, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

// In builds with GODWIT_FAULTS the variable GODWIT_CLOCK_SKEW, whole seconds such as -600, moves
// Wall() by so much, as if the machine's clock were wrong: nodes of a site may disagree. What
// functions see, the time in logs and the validity of certificates are not moved.
#ifdef GODWIT_FAULTS
Nanos ReadSkew() {
  const char* text = std::getenv("GODWIT_CLOCK_SKEW");
  if (text == nullptr) return {};
  return std::chrono::seconds(std::strtol(text, nullptr, 10));
}

Nanos Skew() {
  static const Nanos kSkew = ReadSkew();
  return kSkew;
}
#else
Nanos Skew() { return {}; }
#endif

}  // namespace

WallTime SystemClock::Wall() const { return {Read(CLOCK_REALTIME) + Skew()}; }
SteadyTime SystemClock::Steady() const { return {Read(CLOCK_MONOTONIC)}; }

namespace {

std::string FormatUtc(WallTime time, std::string_view zone) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.since_epoch);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  const std::time_t whole = seconds.count();
  std::tm parts = {};
  ::gmtime_r(&whole, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}{}", text, (ms - seconds).count(), zone);
}

}  // namespace

std::string FormatIso(WallTime time) { return FormatUtc(time, "+0000"); }

std::string FormatRfc3339(WallTime time) { return FormatUtc(time, "Z"); }

}  // namespace godwit
