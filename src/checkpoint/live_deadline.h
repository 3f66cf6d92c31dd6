#pragma once

// When the earliest wait of processes that sleep is over, read while they live.
//
// waits.h finds the same in a dump, and exactly; this is for who is stopped without one. It knows
// the calls with a time-out and timerfds, and not alarms (setitimer, timer_create): who sleeps
// until a signal has none. A relative time-out counts from when its thread was last seen to run
// (rest.h), or from `calm` where the kernel does not tell. Times are the host's CLOCK_MONOTONIC.
// Threads: the pool. Failure: what cannot be read has no time-out. x86-64's numbers; elsewhere the
// old calls (poll, select, epoll_wait) do not exist.
#include <optional>
#include <vector>

#include "base/clock.h"

namespace godwit::checkpoint {

// Of `pids` on the host; `calm`: none of them has run since. None: nothing will time out.
std::optional<Nanos> LiveDeadline(const std::vector<int>& pids, Nanos calm);

}  // namespace godwit::checkpoint
