#include "cli/human.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

namespace godwit::cli {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Unit {
  std::string_view name;
  Nanos length;
};

constexpr std::array<Unit, 6> kUnits = {{{"d", hours(24)},
                                         {"h", hours(1)},
                                         {"m", minutes(1)},
                                         {"s", seconds(1)},
                                         {"ms", milliseconds(1)},
                                         {"us", microseconds(1)}}};

// Three digits that matter: 1.02, 13.7, 812.
std::string ThreeDigits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

std::string TwoUnits(int64_t big, std::string_view big_name, int64_t small,
                     std::string_view small_name) {
  if (small == 0) return fmt::format("{} {}", big, big_name);
  return fmt::format("{} {} {} {}", big, big_name, small, small_name);
}

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::string_view unit;
  for (const std::string_view next : {"kB", "MB", "GB", "TB"}) {
    value /= 1000;
    unit = next;
    if (value < 999.5) break;
  }
  return fmt::format("{} {}", ThreeDigits(value), unit);
}

std::string HumanSpan(Nanos span) {
  if (span < Nanos(0)) return "-" + HumanSpan(-span);
  if (span < seconds(1)) {
    const double us = static_cast<double>(span.count()) / 1000;
    return us < 999.5 ? fmt::format("{:.0f} us", us) : ThreeDigits(us / 1000) + " ms";
  }
  if (span < seconds(60)) return ThreeDigits(static_cast<double>(span.count()) / 1e9) + " s";
  const auto s = std::chrono::floor<seconds>(span).count();
  if (s < 3600) return TwoUnits(s / 60, "min", s % 60, "s");
  if (s < 86400) return TwoUnits(s / 3600, "h", s / 60 % 60, "min");
  return TwoUnits(s / 86400, "d", s / 3600 % 24, "h");
}

std::string HumanMoment(WallTime moment, WallTime now) {
  const auto whole = std::chrono::round<seconds>(moment - now);
  if (whole.count() == 0) return "now";
  const auto distance = std::chrono::abs(whole);
  const std::string span =
      distance < seconds(60) ? fmt::format("{} s", distance.count()) : HumanSpan(distance);
  return whole.count() > 0 ? "in " + span : span + " ago";
}

Result<Nanos> ParseSpan(std::string_view text) {
  const auto wrong = [&] {
    return Fail(Code::kInvalid, "'{}' is not a length of time (write 500ms, 1s, 10m, 24h or 7d)",
                text);
  };
  double number = 0;
  const auto [rest, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || std::signbit(number)) return wrong();
  const std::string_view unit(rest, text.data() + text.size());
  if (unit.empty() && number == 0) return Nanos(0);
  for (const auto& known : kUnits) {
    if (unit != known.name) continue;
    const double nanos = number * static_cast<double>(known.length.count());
    if (nanos > static_cast<double>(Nanos::max().count()) / 2) return wrong();
    return Nanos(std::llround(nanos));
  }
  return wrong();
}

std::string FormatSpan(Nanos span) {
  if (span == Nanos(0)) return "0s";
  for (const auto& unit : kUnits) {
    // A day is written as 24h, as people write result_keep.
    if (unit.name == "d" && span < hours(48)) continue;
    if (span % unit.length == Nanos(0)) return fmt::format("{}{}", span / unit.length, unit.name);
  }
  return fmt::format("{}us", std::chrono::round<microseconds>(span).count());
}

std::optional<WallTime> ParseIso(std::string_view text) {
  std::tm parts = {};
  const std::string copy(text);
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  double fraction = 0;
  if (*rest == '.') {
    const char* end = copy.c_str() + copy.size();
    const auto [after, error] = std::from_chars(rest, end, fraction, std::chars_format::fixed);
    if (error != std::errc()) return std::nullopt;
    rest = after;
  }
  const std::string_view zone(rest);
  if (zone != "Z" && zone != "+0000" && zone != "+00:00") return std::nullopt;
  return WallTime{seconds(::timegm(&parts)) + milliseconds(std::llround(fraction * 1000))};
}

}  // namespace godwit::cli
