#pragma once

// Since when a thread has been asleep in a call whose time-out the kernel keeps to itself.
//
// poll, epoll_wait, sigtimedwait and their like take a relative time-out and do not say what is
// left of it when they are interrupted, so it has to be known when they began. nanosleep does say,
// but over what is in the caller's memory. The scheduler's
// statistics have the moment at which a thread was last taken off its processor (/proc/PID/sched,
// se.exec_start), on a clock of that processor that stands still while a hypervisor has it; the
// clock is read off again at the end, so what comes out is late by what was stolen meanwhile, and
// never early. Threads: the pool. Failure: a thread that ends meanwhile is left out.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"

namespace godwit::checkpoint {

struct Rest {
  Nanos since{};       // on the host's CLOCK_MONOTONIC
  uint64_t turns = 0;  // how often it has given up its processor
  std::string before;  // of a sleep: what is where it will tell what is left
};

using Rests = std::map<int, Rest>;  // by thread, inside

// Whether this kernel tells (CONFIG_SCHED_DEBUG).
bool RestsAreKnown();

// Threads of `pids` (on the host) that sleep in such a call.
Rests ReadRests(const std::vector<int>& pids);

// Those that ran between ReadRests() and being stopped, at `now`, have rested since `now`. All are
// stopped.
void RestartDisturbed(Rests& rests, const std::vector<int>& pids, Nanos now);

}  // namespace godwit::checkpoint
