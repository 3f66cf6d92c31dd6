#pragma once

// Puts the memory of running, waiting processes away in place: they stay, blocked in the kernel as
// they are, and whatever they wait for wakes them. Their pages come back as they are touched.
//
// Written to a file: private pages, anonymous ones and what was changed of a file's, which is
// anonymous from then on. Let go of: pages of files, which are read again. Kept: changed code,
// shared and locked memory, page tables, and all that the kernel holds for it. Threads: the pool;
// it takes as long as the memory is large, and the processes stand still meanwhile. Failure:
// kUnsupported where the kernel lacks it or a process cannot be made to do it, kBusy if it was
// about to run, kNoSpace. Whatever fails, the processes go on as they were; `spaces` may then still
// be served, until everything is there again. x86-64 only.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/pager.h"

namespace godwit::checkpoint {

struct SpillRequest {
  std::vector<int> pids;  // on the host: all of an instance
  Nanos offset{};         // of their CLOCK_MONOTONIC to the host's
  std::string directory;  // on whose disk the pages go
  Pager& pager;
  Entropy& entropy;
  // Has a copy of a userfaultfd held by who survives this process; called before a page is missing.
  std::function<Result<>(Fd copy)> hold;
  std::function<void(PagerEvent)> observer;  // of Space
};

struct Spilled {
  std::vector<SpaceId> spaces;  // to be dropped when each is resident, or gone
  uint64_t bytes = 0;           // of memory that were put away
  Nanos stood_still{};
};

// What is there already is in `spilled` even if it fails.
Result<> Spill(const SpillRequest& request, Spilled& spilled);

// Whether this machine can: "" or why not.
std::string WhyNoSpill();

}  // namespace godwit::checkpoint
