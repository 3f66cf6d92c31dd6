#pragma once

// What of an instance CRIU cannot carry, found by looking, before a dump is tried and after one was
// refused.
//
// Each obstacle names the descriptor and the process, as `ps`, the log and `doctor` show it, and
// what can be done. An empty list is no promise: CRIU has the last word. Threads: the pool.
// Failure: a process that ends meanwhile is left out. Source: criu.org/What_cannot_be_checkpointed.
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/remedies.h"

namespace godwit::checkpoint {

// `pids` on the host; the text names pids inside.
std::vector<Obstacle> FindObstacles(const std::vector<int>& pids);

// Why a dump was refused with `reason`: what it says, with whose descriptor it is about if CRIU
// said it (CRIU names sockets by inode, files by number and watches by what they watch), and all
// that stands in the way beside it. The first is that of the reason.
std::vector<Obstacle> WhyRefused(const std::string& reason, const std::vector<int>& pids);

// What would be disturbed if the processes `pids` (on the host) were stopped and then let go again,
// or be harmed without a word if they were put away: kUnsupported names the first.
Result<> CheckRunning(const std::vector<int>& pids);

// What the dumped images in `images` lack of the processes `pids` (on the host): those that are not
// below the first, and System V objects, which belong to the namespace. kUnsupported names them.
Result<> CheckComplete(const std::string& images, const std::vector<int>& pids);

}  // namespace godwit::checkpoint
