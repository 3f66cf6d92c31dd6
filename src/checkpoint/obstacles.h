#pragma once

// What of an instance CRIU cannot carry, found by looking, before a dump is tried.
//
// Each obstacle names the descriptor and the process, as `ps`, the log and `doctor` show it. An
// empty list is no promise: CRIU has the last word. Threads: the pool. Failure: a process that ends
// meanwhile is left out. Source: criu.org/What_cannot_be_checkpointed.
#include <string>
#include <vector>

namespace godwit::checkpoint {

// `pids` on the host; the text names pids inside.
std::vector<std::string> FindObstacles(const std::vector<int>& pids);

}  // namespace godwit::checkpoint
