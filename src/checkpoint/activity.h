#pragma once

// Whether an instance has been doing nothing, and since when.
//
// A sample is the processor time of its control group and, a thread at a time, whether it sleeps
// and how often it has been switched out. Two samples that are equal and asleep prove that no
// thread ran in between. Threads: the pool. Failure: a process that ends while it is looked at is
// left out.
#include <cstdint>
#include <vector>

namespace godwit::checkpoint {

struct Activity {
  bool asleep = false;    // every thread sleeps, interruptibly
  uint64_t switches = 0;  // of all threads together
  uint64_t threads = 0;
  bool SameAs(const Activity& other) const {
    return asleep && other.asleep && switches == other.switches && threads == other.threads;
  }
};

// `pids` on the host.
Activity ReadActivity(const std::vector<int>& pids);

}  // namespace godwit::checkpoint
