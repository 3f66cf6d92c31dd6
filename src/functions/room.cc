#include "functions/room.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <vector>

namespace godwit::functions {
namespace {

constexpr int kLookEvery = 5;       // ticks
constexpr int kWithoutBudget = 20;  // the same, if only the kernel can say that it is scarce
constexpr uint64_t kFirstGuess = 32'000'000;  // bytes of an instance of which nothing is known

// Per cent of the last ten seconds in which somebody waited for memory; 0 if the kernel does not
// tell (Documentation/accounting/psi.rst).
double Stalled() {
  std::ifstream file("/proc/pressure/memory");
  std::string word;
  while (file >> word) {
    if (!word.starts_with("avg10=")) continue;
    double value = 0;
    std::from_chars(word.data() + 6, word.data() + word.size(), value);
    return value;
  }
  return 0;
}

}  // namespace

void Room::Tick() {
  const bool limited = work_.settings.memory_budget > 0;
  if (++ticks_ < (limited ? kLookEvery : kWithoutBudget) && wanted_ == 0) return;
  ticks_ = 0;
  Measure();
  if (!work_.settings.keep_awake && work_.pressure.is_high()) {
    Make();
  } else {
    said_ = false;
  }
  wanted_ = 0;
}

void Room::Measure() {
  placement::Pressure& pressure = work_.pressure;
  pressure.budget = work_.settings.memory_budget;
  pressure.wanted = wanted_;
  pressure.stalled = Stalled();
  pressure.held = 0;
  each_([&](Instance& instance) {
    if (instance.state() != State::kSuspended) pressure.held += instance.AsCandidate().memory;
  });
}

// Those first whose absence is felt least, until it is enough.
void Room::Make() {
  std::vector<Instance*> instances;
  std::vector<placement::Candidate> candidates;
  bool on_the_way = false;
  each_([&](Instance& instance) {
    on_the_way |= instance.moving();
    if (instance.state() == State::kSuspended || instance.moving()) return;
    instances.push_back(&instance);
    candidates.push_back(instance.AsCandidate());
  });
  uint64_t excess = work_.pressure.excess();
  for (const size_t index : placement::WhomFirst(candidates, work_.clock.Steady())) {
    if (excess == 0 || work_.suspending >= Instance::kSideBySide) break;
    if (!instances[index]->GiveWay()) continue;
    on_the_way = true;
    excess -= std::min(excess, candidates[index].memory);
  }
  if (on_the_way || said_ || work_.pressure.budget == 0 ||
      work_.pressure.held <= work_.pressure.budget) {
    return;
  }
  said_ = true;
  work_.log.Warning(
      "the instances hold {} bytes, the memory budget has {}: all that can be put away is, nothing "
      "is killed, and what is to start waits (raise memory_budget)",
      work_.pressure.held, work_.pressure.budget);
}

uint64_t Room::Needs(const std::string& function) const {
  uint64_t most = 0;
  each_([&](Instance& instance) {
    if (instance.function().spec.name == function && instance.IsAwake())
      most = std::max(most, instance.AsCandidate().memory);
  });
  return most > 0 ? most : kFirstGuess;
}

bool Room::MayStart(const std::string& function) {
  if (work_.settings.memory_budget == 0) return true;
  bool others_run = false;
  each_([&](Instance& instance) { others_run |= instance.IsAwake(); });
  work_.pressure.budget = work_.settings.memory_budget;  // which nothing may have measured yet
  const uint64_t bytes = Needs(function);
  if (!placement::MayStart(work_.pressure, bytes, others_run)) {
    wanted_ = std::max(wanted_, bytes);
    return false;
  }
  work_.pressure.held += bytes;  // until it is measured
  return true;
}

}  // namespace godwit::functions
