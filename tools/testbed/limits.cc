#include "testbed/limits.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <span>

namespace godwit::testbed {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kBits[] = {{"", 1}, {"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}};
constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
constexpr Unit kBytes[] = {{"", 1}, {"K", 1024}, {"M", 1024.0 * 1024}};
constexpr Unit kParts[] = {{"", 1}, {"%", 0.01}};
constexpr double kMost = 1e15;  // of anything; a double still counts it exactly

std::optional<double> Read(std::string_view text, std::span<const Unit> units, double most) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view name(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (unit.name == name && number * unit.factor <= most) return number * unit.factor;
  }
  // Nothing needs no unit.
  return number == 0 && name.empty() ? std::optional(0.0) : std::nullopt;
}

}  // namespace

Result<> Apply(std::string_view setting, Limits& limits) {
  const size_t equals = setting.find('=');
  const std::string_view key = setting.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : setting.substr(equals + 1);
  const auto bad = [&](std::string_view example) {
    return Fail(Code::kInvalid, "cannot set '{}': that is no {} (such as {}={})", setting, key, key,
                example);
  };
  if (key == "rate") {
    const auto bits = Read(value, kBits, kMost);
    if (!bits) return bad("1gbit");
    limits.rate = static_cast<uint64_t>(*bits);
  } else if (key == "delay" || key == "jitter") {
    const auto time = Read(value, kTimes, kMost);
    if (!time) return bad("250us");
    (key == "delay" ? limits.delay : limits.jitter) = Nanos(static_cast<int64_t>(*time));
  } else if (key == "loss") {
    const auto part = Read(value, kParts, 1);
    if (!part) return bad("0.5%");
    limits.loss = *part;
  } else if (key == "queue") {
    const auto bytes = Read(value, kBytes, kMost);
    if (!bytes) return bad("256K");
    limits.queue = static_cast<uint64_t>(*bytes);
  } else if (key == "seed") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), limits.seed);
    if (error != std::errc() || end != value.data() + value.size()) return bad("7");
  } else {
    return Fail(
        Code::kInvalid,
        "cannot set '{}': there is no such setting (rate, delay, jitter, loss, queue, seed)",
        setting);
  }
  return {};
}

}  // namespace godwit::testbed
