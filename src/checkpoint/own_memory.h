#pragma once

// Makes what a process has changed of a file's memory its own: anonymous memory of the same
// content, in the same place.
//
// These are a program's global variables, of which an interpreter has many, and memory of a file
// cannot come late after a resume (late_memory.h), since userfaultfd(2) knows anonymous memory
// alone. /proc/self/maps shows it without its file from then on; nothing else does. Done once for a
// process that is at rest, which stands still meanwhile.
//
// Threads: the pool. Failure: kUnsupported and kBusy before anybody is stopped, if being stopped
// could be seen; whatever fails, memory is as it was. x86-64 only.
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::checkpoint {

// `offset` is of the CLOCK_MONOTONIC of `pids` to the host's. How many bytes were made anonymous.
Result<uint64_t> OwnMemory(const std::vector<int>& pids, Nanos offset);

}  // namespace godwit::checkpoint
