#pragma once

// The processes of a sandbox, seen from the host.
//
// Threads: the pool. Failure: a process that ends meanwhile is left out.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace godwit::checkpoint {

// The pids on the host, by their pids in the sandbox, of `pids` on the host.
std::map<int, int> InsidePids(const std::vector<int>& pids);

// The pid in its innermost namespace of the thread whose directory in /proc is `directory`; 0 if it
// is gone.
int InsidePid(const std::string& directory);

// Whether the thread has a signal that it would take now: pending, not blocked, not ignored.
bool HasSignal(int pid, int tid);

// Reads memory, bringing pages that are put away, else through /proc/PID/mem, which does not, but
// knows no protection; nothing if it is not all there.
std::optional<std::string> PeekProcess(int outside, uint64_t address, size_t size);
// The same to write.
Result<> PokeProcess(int outside, uint64_t address, std::span<const char> bytes);

}  // namespace godwit::checkpoint
