#pragma once

// Which suspended instance is due when, and when its way back has to begin.
//
// Bringing one back takes time, and only a few come back side by side: two hundred sleepers that
// are due at the same second are brought back one after another before it, so that none is late.
// The index is in memory; what it holds is in the store with each suspended instance, and is put in
// again at a start. Pure: times in, names out. Threads: one.
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/ids.h"

namespace godwit::checkpoint {

class WakeIndex {
 public:
  // Due at `time` and on its way for `cost`, in place of what was said before.
  void Set(const InstanceId& id, SteadyTime time, Nanos cost);
  void Erase(const InstanceId& id);

  // When the first has to begin so that, `side_by_side` at a time, none within the next half minute
  // comes late, with `margin` to spare; none: nothing is due ever. What costs nothing is not begun
  // before it is due.
  std::optional<SteadyTime> NextStart(int side_by_side, Nanos margin = Nanos(0)) const;
  // What the one that is due first costs; 0 if there is none.
  Nanos FirstCost() const { return due_.empty() ? Nanos(0) : due_.begin()->second.cost; }
  // Takes out the one that is due first.
  std::optional<InstanceId> Pop();
  size_t size() const { return due_.size(); }

 private:
  struct Sleeper {
    InstanceId id;
    Nanos cost;
  };
  std::multimap<SteadyTime, Sleeper> due_;
  std::unordered_map<InstanceId, std::multimap<SteadyTime, Sleeper>::iterator> where_;
};

}  // namespace godwit::checkpoint
