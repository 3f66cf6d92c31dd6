#pragma once

// Freezing processes so that no call of theirs is ended by it.
//
// A freezer interrupts calls as a signal does, and those that know no restart say EINTR
// (epoll_wait, see docs/checkpointing.md). So the threads are stopped first where their registers
// can be set, such calls are made to begin again, and then they are frozen on their way back.
// Threads: the pool. Failure: as Tracees; kUnsupported for calls that stopping would end for good.
// Whatever fails, they go on.
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/waits.h"

namespace godwit::checkpoint {

// `freeze` must not wait until they stand still: they do when this has returned. `offset` is of
// their CLOCK_MONOTONIC to the host's. What is to be written when they are thawed.
Result<std::vector<Timeout>> FreezeInCalls(const std::vector<int>& pids, Nanos offset,
                                           const std::function<Result<>()>& freeze);

}  // namespace godwit::checkpoint
