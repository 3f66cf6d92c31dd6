#pragma once

// What will wake processes that wait, seen from outside, without stopping them.
//
// The nearest time-out of their calls, and copies of the descriptors that they wait for. Timers
// whose signal would wake them are not seen (the kernel does not tell what is left of them), but
// the signal is, once it is there. Threads: the pool; HasCome() any. Failure: what cannot be looked
// at is left out. x86-64 only.
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"

namespace godwit::checkpoint {

struct Wakes {
  struct Watched {
    Fd copy;
    short events;
  };
  std::optional<Nanos> deadline;  // on the host's CLOCK_MONOTONIC
  std::vector<Watched> descriptors;
};

// Of `pids` (on the host), whose CLOCK_MONOTONIC is `offset` ahead of the host's.
Wakes FindWakes(const std::vector<int>& pids, Nanos offset);

// Whether one of the descriptors is ready, or a signal waits for one of the threads.
bool HasCome(const Wakes& wakes, const std::vector<int>& pids);

}  // namespace godwit::checkpoint
