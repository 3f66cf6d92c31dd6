#pragma once

// Who is put away, how far, and why: decisions alone, from what was measured.
//
// Nothing here acts or waits; functions/ asks and does it (docs/adr/0012). An instance that will be
// back sooner than the way there and back takes is left where it is; under pressure, the nearest
// tier that gives memory back is taken instead. docs/tiers.md has the cost model. Threads: values.
// Failure: none.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "placement/tier.h"

namespace godwit::placement {

// An expectation learnt from what came; the last few count most.
class Learnt {
 public:
  explicit Learnt(Nanos guess) : value_(guess) {}
  void Learn(Nanos seen) {
    value_ = times_ == 0 ? seen : value_ * 3 / 4 + seen / 4;
    ++times_;
  }
  Nanos value() const { return value_; }
  int times() const { return times_; }

 private:
  Nanos value_;
  int times_ = 0;
};

// What the ways of one instance took. The guesses are of a small function.
struct Costs {
  Learnt freeze{std::chrono::milliseconds(2)};
  Learnt spill{std::chrono::milliseconds(25)};
  Learnt fill{std::chrono::milliseconds(15)};  // back from SPILLED
  Learnt suspend{std::chrono::milliseconds(60)};
  Learnt resume{std::chrono::milliseconds(60)};
};

struct Candidate {
  bool has_call = false;
  Tier tier = Tier::kAwake;
  SteadyTime still_since;           // it has done nothing since
  std::optional<SteadyTime> wakes;  // when it will be back, as far as that is known
  bool learnt = false;              // `wakes` is what was learnt, not what it said
  uint64_t memory = 0;              // charged to it
  bool refused = false;             // CRIU does not take it
  bool may_spill = false;
  Costs costs;
};

struct Rules {
  Nanos freeze_after{};
  Nanos idle_after{};
  Nanos blocked_after{};
};

// How scarce memory is.
struct Pressure {
  uint64_t held = 0;    // by all instances
  uint64_t budget = 0;  // 0: no limit
  uint64_t wanted = 0;  // by those that wait to be started
  double stalled = 0;   // per cent of the last 10 s in which somebody waited for memory (PSI)

  bool is_high() const;
  // What is to be given back, to be below the mark again.
  uint64_t excess() const;
};

struct Choice {
  Tier tier = Tier::kAwake;
  std::string why;  // one sentence
};

// Where it belongs now. A choice is never nearer than where it is: only work brings back.
Choice Choose(const Candidate& candidate, const Pressure& pressure, const Rules& rules,
              SteadyTime now);

// Under pressure, whom first: the idle ones, the longest idle first, then those who wait the
// longest from now on. Indices into `candidates`.
std::vector<size_t> WhomFirst(std::span<const Candidate> candidates, SteadyTime now);

// Whether one more of `bytes` may start: there is room, or nothing is there that could make some.
bool MayStart(const Pressure& pressure, uint64_t bytes, bool others_run);

// A candidate and the rule that decided, for people: names and values.
using Facts = std::vector<std::pair<std::string, std::string>>;
Facts Explain(const Candidate& candidate, const Pressure& pressure, const Rules& rules,
              SteadyTime now);

}  // namespace godwit::placement
