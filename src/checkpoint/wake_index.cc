#include "checkpoint/wake_index.h"

#include <algorithm>

namespace godwit::checkpoint {
namespace {

constexpr Nanos kHorizon = std::chrono::seconds(30);

}  // namespace

void WakeIndex::Set(const InstanceId& id, SteadyTime time, Nanos cost) {
  Erase(id);
  where_[id] = due_.emplace(time, Sleeper{id, cost});
}

void WakeIndex::Erase(const InstanceId& id) {
  const auto found = where_.find(id);
  if (found == where_.end()) return;
  due_.erase(found->second);
  where_.erase(found);
}

std::optional<SteadyTime> WakeIndex::NextStart(int side_by_side, Nanos margin) const {
  if (due_.empty()) return std::nullopt;
  const SteadyTime first = due_.begin()->first;
  SteadyTime start = first;
  Nanos before{};
  for (auto it = due_.begin(); it != due_.end() && it->first - first <= kHorizon; ++it) {
    const Nanos cost = it->second.cost;
    const Nanos spare = cost > Nanos(0) ? margin : Nanos(0);
    start = std::min(start, it->first - before / side_by_side - cost - spare);
    before += cost;
  }
  return start;
}

std::optional<InstanceId> WakeIndex::Pop() {
  if (due_.empty()) return std::nullopt;
  InstanceId id = due_.begin()->second.id;
  Erase(id);
  return id;
}

}  // namespace godwit::checkpoint
