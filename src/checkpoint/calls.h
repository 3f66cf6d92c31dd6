#pragma once

// Which call each thread of a running instance sleeps in, from /proc/PID/task/TID/syscall.
//
// Threads: the pool. Failure: a thread that runs, or ends meanwhile, is left out. x86-64's numbers
// and arguments; elsewhere CheckCalls() finds nothing.
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::checkpoint {

struct Call {
  long number = -1;
  std::array<uint64_t, 6> arguments{};
};

// Whether the call waits until the descriptor that is its first argument has something to read.
bool Reads(long number);
// The same until it takes something.
bool Writes(long number);

// The call of the thread whose directory in /proc is `thread`.
std::optional<Call> ReadCall(const std::filesystem::path& thread);

// Every thread of `pids`, by its directory in /proc.
void ForThreads(const std::vector<int>& pids,
                const std::function<void(int pid, const std::filesystem::path&)>& each);

// A copy of descriptor `number` of process `pid` (on the host); invalid if it cannot be had.
Fd CopyDescriptor(int pid, int number);

// Whether all calls of `pids` can be stopped again after they were: not those that the kernel goes
// on with by a note of its own (restart_syscall), for that does not tell what they were.
bool MayBeStoppedTwice(const std::vector<int>& pids);

// Being stopped ends some calls for good, as if a signal had come: one that has written a part, and
// one on a socket with a time-out. kUnsupported names the first, before anybody is stopped.
Result<> CheckCalls(const std::vector<int>& pids);

}  // namespace godwit::checkpoint
