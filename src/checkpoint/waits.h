#pragma once

// What each thread of a stopped instance waits for, until when, and how it goes on waiting when it
// comes back.
//
// CRIU restores a thread that slept in a call with a relative time-out as if a signal had
// interrupted it (EINTR). ReadWaits() finds every deadline, changes the dumped registers so that
// such a call is issued again, and says which time-outs in memory are to be written before it runs.
// poll and epoll_wait are issued again as ppoll and epoll_pwait2, whose time-outs are in memory and
// exact. Times are the instance's CLOCK_MONOTONIC, which runs on while it is put away. The table
// of calls is in docs/checkpointing.md. x86-64 only; elsewhere nothing is changed. Threads: the
// pool; the processes are stopped. Failure: kCorrupt for images that cannot be read.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::checkpoint {

// A time-out in a process' memory that must say how long is left when the process runs again.
struct Timeout {
  // A word is no time-out: eight bytes that are to be there again, as `deadline`.
  enum class Form : uint8_t { kTimespec, kTimeval, kWord };
  int pid = 0;  // inside, of the process whose memory it is in
  uint64_t address = 0;
  Form form = Form::kTimespec;
  Nanos deadline{};
  bool operator==(const Timeout&) const = default;
};

struct Waits {
  std::optional<Nanos> deadline;  // the earliest; none: nothing will time out
  std::vector<Timeout> timeouts;
};

// Memory of the stopped process `pid` (inside): reads `size` bytes, nothing if they are not there.
using Peek = std::function<std::optional<std::string>(int pid, uint64_t address, size_t size)>;

// When the processes were stopped: on the instance's CLOCK_MONOTONIC and on CLOCK_REALTIME.
struct Moment {
  Nanos clock{};
  Nanos wall{};
  Nanos calm{};  // no thread has run since; not after `clock`
  // Since when a thread (inside) has been in its call, where that is known better.
  std::map<int, Nanos> since;
  // What a thread's sleep has written what is left over, where that is known.
  std::map<int, std::string> before;
};
namespace image {
class Registers;
}

// The same of one thread alone, stopped but not dumped: of process `pid`, with the id `tid` (both
// inside). True if its registers were changed.
struct ThreadName {
  int pid = 0;
  int tid = 0;
};
bool ReadWait(ThreadName thread, image::Registers& registers, const Moment& stopped,
              const Peek& peek, Waits& waits);

Result<Waits> ReadWaits(const std::string& images, const Moment& stopped, const Peek& peek);

// Writes what is left of each time-out. `outside` maps pids inside to pids on the host.
Result<> WriteTimeouts(const std::vector<Timeout>& timeouts, Nanos now,
                       const std::map<int, int>& outside);

}  // namespace godwit::checkpoint
