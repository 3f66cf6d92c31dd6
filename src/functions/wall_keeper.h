#pragma once

// Whose walls stay up while they are put away: those that are likely to be wanted soonest.
//
// Walls (a process, namespaces, control groups, descriptors) cost memory of the kernel and save
// their building, some milliseconds, at the way back. Kept are at most so many, and none for an
// instance that is away for long. Who has a deadline is wanted then; of the others nobody knows,
// and they are taken to stay away as long again as they have been. Pure: times in, names out.
// Threads: one. Failure: none.
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace godwit::functions {

class WallKeeper {
 public:
  static constexpr Nanos kFarOff = std::chrono::minutes(10);

  explicit WallKeeper(size_t most) : most_(most) {}

  // It is put away, since now or a while, and its walls stand; `due` is when it is wanted, if that
  // is known.
  void Stand(const InstanceId& id, std::optional<SteadyTime> due, SteadyTime now);
  // It is on its way back, or its walls stand no more.
  void Erase(const InstanceId& id) { standing_.erase(id); }
  // Those whose walls are to go now; they are forgotten.
  std::vector<InstanceId> TakeSurplus(SteadyTime now);
  size_t size() const { return standing_.size(); }

 private:
  struct Sleeper {
    std::optional<SteadyTime> due;
    SteadyTime since;
    Nanos Left(SteadyTime now) const { return due ? *due - now : now - since; }
  };

  size_t most_;
  std::unordered_map<InstanceId, Sleeper> standing_;
};

}  // namespace godwit::functions
