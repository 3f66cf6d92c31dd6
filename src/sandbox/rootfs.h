#pragma once

// The file system inside a sandbox: which steps build it, and the read-only base below it.
//
// The base is a directory made once a node start: empty mount points, the links of a merged /usr,
// and an /etc that holds what programs look up (users, hosts, resolver, certificates) and nothing
// of the host's secrets. The host's /usr is seen read-only. All else of the host is not there.
// Threads: the pool. Failure: kInternal, kNoSpace, naming the path.
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::sandbox {

// Where the parts of one instance's file system lie on the host.
struct Places {
  std::string base;      // of BuildBase()
  std::string instance;  // upper/ work/ root/ log/ run/, this instance's own
  std::string image;     // the root below all instead of the base, with all that it needs; or empty
  std::string code;      // becomes /var/task; empty: none
  std::string runtime;   // becomes /var/runtime; empty: none
  std::string staging;   // becomes /run/criu; only root may enter
  std::string kdat;      // CRIU's cache of kernel facts; empty: none
  int ephemeral_mb = 512;
  Nanos clock_offset{};  // of the instance's CLOCK_MONOTONIC to the host's
  std::string hostname;
};

// Makes `base` anew.
Result<> BuildBase(const std::string& base);

// Makes the directories of an instance, and the FIFO that its log comes through, `run/log`.
Result<> PrepareInstance(const Places& places);

// The steps for init (sandbox/init/walls.h).
std::vector<std::string> StepsOf(const Places& places);

}  // namespace godwit::sandbox
