#include "checkpoint/wake_index.h"

#include <algorithm>

namespace godwit::checkpoint {
namespace {

constexpr Nanos kHorizon = std::chrono::seconds(30);

}  // namespace

void WakeIndex::Set(const InstanceId& id, std::optional<SteadyTime> time) {
  if (const auto found = where_.find(id); found != where_.end()) {
    due_.erase(found->second);
    where_.erase(found);
  }
  if (time) where_[id] = due_.emplace(*time, id);
}

std::optional<SteadyTime> WakeIndex::NextStart(Nanos cost, int side_by_side) const {
  if (due_.empty()) return std::nullopt;
  const SteadyTime first = due_.begin()->first;
  SteadyTime start = first - cost;
  int64_t before = 0;
  for (auto it = due_.begin(); it != due_.end() && it->first - first <= kHorizon; ++it, ++before) {
    start = std::min(start, it->first - cost * (before / side_by_side + 1));
  }
  return start;
}

std::optional<InstanceId> WakeIndex::Pop() {
  if (due_.empty()) return std::nullopt;
  InstanceId id = due_.begin()->second;
  Erase(id);
  return id;
}

}  // namespace godwit::checkpoint
