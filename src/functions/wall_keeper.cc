#include "functions/wall_keeper.h"

#include <algorithm>
#include <utility>

namespace godwit::functions {

void WallKeeper::Stand(const InstanceId& id, std::optional<SteadyTime> due, SteadyTime now) {
  standing_.try_emplace(id, Sleeper{due, now}).first->second.due = due;
}

std::vector<InstanceId> WallKeeper::TakeSurplus(SteadyTime now) {
  std::vector<std::pair<Nanos, InstanceId>> candidates;
  for (const auto& [id, sleeper] : standing_) {
    const Nanos left = sleeper.Left(now);
    if (left > kFarOff || standing_.size() > most_) candidates.emplace_back(left, id);
  }
  std::ranges::sort(candidates, std::ranges::greater());
  std::vector<InstanceId> surplus;
  for (auto& [left, id] : candidates) {
    if (left <= kFarOff && standing_.size() <= most_) break;
    standing_.erase(id);
    surplus.push_back(std::move(id));
  }
  return surplus;
}

}  // namespace godwit::functions
