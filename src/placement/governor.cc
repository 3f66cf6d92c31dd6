#include "placement/governor.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace godwit::placement {
namespace {

constexpr uint64_t kHighPercent = 90;  // of the budget: from there on room is made
constexpr uint64_t kLowPercent = 80;   // until there
constexpr double kStalled = 10;        // per cent

std::string Span(Nanos span) {
  const double seconds = std::chrono::duration<double>(span).count();
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.0f} min", seconds / 60);
}

std::string Size(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

Nanos WayToDisk(const Candidate& one) {
  return one.costs.suspend.value() + one.costs.resume.value();
}
Nanos WayToSpill(const Candidate& one) { return one.costs.spill.value() + one.costs.fill.value(); }

// When it is back, in so many words.
std::string Back(const Candidate& one, Nanos left) {
  return fmt::format("it {} back in {}", one.learnt ? "is likely" : "will be",
                     Span(std::max(left, Nanos(0))));
}

Choice Nearer(const Candidate& one, const Pressure& pressure, Nanos left) {
  const std::string soon = fmt::format("{}, and the way to disk and back takes {}", Back(one, left),
                                       Span(WayToDisk(one)));
  if (!pressure.is_high()) return {one.tier, soon};
  if (one.may_spill && left >= WayToSpill(one)) {
    return {std::max(one.tier, Tier::kSpilled),
            fmt::format("memory is scarce; {}, but its memory is away and back in {}", soon,
                        Span(WayToSpill(one)))};
  }
  return {one.tier, soon};
}

Choice OfWaiting(const Candidate& one, const Pressure& pressure, const Rules& rules,
                 SteadyTime now) {
  const Nanos still = now - one.still_since;
  if (still < rules.blocked_after) return {one.tier, "it has just run"};
  const Nanos left = one.wakes ? *one.wakes - now : Nanos::max();
  if (one.wakes && left < (one.refused ? WayToSpill(one) : WayToDisk(one)))
    return Nearer(one, pressure, left);
  if (one.refused) {
    if (!one.may_spill) return {one.tier, "it cannot be put away"};
    return {Tier::kSpilled, "CRIU does not take it: its memory alone is put away"};
  }
  const std::string when =
      one.wakes ? Back(one, left) : "nobody knows when what it waits for comes";
  return {Tier::kDisk, fmt::format("its call waits; {}", when)};
}

Choice OfIdle(const Candidate& one, const Pressure& pressure, const Rules& rules, SteadyTime now) {
  const Nanos idle = now - one.still_since;
  if (idle < rules.freeze_after && !pressure.is_high()) return {one.tier, "it has just run"};
  if (one.wakes) {
    const Nanos left = *one.wakes - now;
    // A guess that has not come true says nothing any more.
    if (left > Nanos(0) && left < WayToDisk(one)) {
      Choice choice = Nearer(one, pressure, left);
      choice.tier = std::max(choice.tier, Tier::kFrozen);
      return choice;
    }
  }
  const Tier far = one.refused ? (one.may_spill ? Tier::kSpilled : Tier::kFrozen) : Tier::kDisk;
  if (pressure.is_high()) return {far, "memory is scarce, and it has no call"};
  if (idle >= rules.idle_after) return {far, fmt::format("it has had no call for {}", Span(idle))};
  return {std::max(one.tier, Tier::kFrozen), "it has no call"};
}

}  // namespace

bool Pressure::is_high() const {
  return stalled >= kStalled || (budget > 0 && held + wanted > budget / 100 * kHighPercent);
}

uint64_t Pressure::excess() const {
  const uint64_t low = budget / 100 * kLowPercent;
  if (budget > 0 && held + wanted > low) return held + wanted - low;
  return stalled >= kStalled ? held / 10 : 0;
}

Choice Choose(const Candidate& candidate, const Pressure& pressure, const Rules& rules,
              SteadyTime now) {
  Choice choice = candidate.has_call ? OfWaiting(candidate, pressure, rules, now)
                                     : OfIdle(candidate, pressure, rules, now);
  choice.tier = std::max(choice.tier, candidate.tier);
  return choice;
}

std::vector<size_t> WhomFirst(std::span<const Candidate> candidates, SteadyTime now) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0);
  // Larger is earlier.
  const auto rank = [&](size_t index) {
    const Candidate& one = candidates[index];
    const Nanos left = one.wakes ? *one.wakes - now : Nanos::max();
    return std::tuple(!one.has_call, one.has_call ? left : now - one.still_since);
  };
  std::ranges::sort(
      order, [&](size_t a, size_t b) { return rank(a) == rank(b) ? a < b : rank(a) > rank(b); });
  return order;
}

bool MayStart(const Pressure& pressure, uint64_t bytes, bool others_run) {
  return pressure.budget == 0 || !others_run || pressure.held + bytes <= pressure.budget;
}

Facts Explain(const Candidate& candidate, const Pressure& pressure, const Rules& rules,
              SteadyTime now) {
  const Costs& costs = candidate.costs;
  const auto cost = [](const Learnt& learnt) {
    return fmt::format("{}{}", Span(learnt.value()), learnt.times() == 0 ? " (a guess)" : "");
  };
  const Choice choice = Choose(candidate, pressure, rules, now);
  Facts facts = {{"tier", std::string(ToString(candidate.tier))},
                 {"call", candidate.has_call ? "waits" : "none"},
                 {"still for", Span(now - candidate.still_since)},
                 {"back in", candidate.wakes ? Span(std::max(*candidate.wakes - now, Nanos(0))) +
                                                   (candidate.learnt ? " (learnt)" : "")
                                             : "unknown"},
                 {"memory", Size(candidate.memory)},
                 {"freeze", cost(costs.freeze)},
                 {"spill, and back", cost(costs.spill) + ", " + cost(costs.fill)},
                 {"to disk, and back", cost(costs.suspend) + ", " + cost(costs.resume)},
                 {"all instances hold", Size(pressure.held)},
                 {"memory budget", pressure.budget == 0 ? "none" : Size(pressure.budget)},
                 {"waited for memory", fmt::format("{:.0f} % of the last 10 s", pressure.stalled)},
                 {"belongs", std::string(ToString(choice.tier))},
                 {"why", choice.why}};
  return facts;
}

}  // namespace godwit::placement
