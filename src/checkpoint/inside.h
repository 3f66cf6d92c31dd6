#pragma once

// The processes of a sandbox, seen from the host.
//
// Threads: the pool. Failure: a process that ends meanwhile is left out.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace godwit::checkpoint {

// The pids on the host, by their pids in the sandbox, of `pids` on the host.
std::map<int, int> InsidePids(const std::vector<int>& pids);

// The pid in its innermost namespace of the thread whose directory in /proc is `directory`; 0 if it
// is gone.
int InsidePid(const std::string& directory);

// Reads memory through /proc/PID/mem; nothing if it is not all there.
std::optional<std::string> PeekProcess(int outside, uint64_t address, size_t size);

}  // namespace godwit::checkpoint
