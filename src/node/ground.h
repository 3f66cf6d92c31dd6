#pragma once

// The ground a node stands on: its place on this machine, cleared of what a former one left behind.
//
// Threads: start-up, before any other thread exists (the mount namespace is this thread's alone).
// Failure: kDenied without root, kUnsupported for what the kernel lacks, each with what to do.
#include <string>

#include "base/error.h"
#include "functions/workplace.h"
#include "sandbox/cgroup.h"

namespace godwit::node {

// Leaves the host's mount namespace, so that no mount of the node outlives it, and lays out `data`.
Result<functions::Directories> PrepareGround(const std::string& data);

// The node's control groups, empty: whatever a killed node left running is ended.
Result<sandbox::CgroupTree> ClaimCgroups(const std::string& data);

// The kernel's boot id, and whether the last node on this store ran in another boot; code that was
// unpacked then is dropped, for it was never synced.
Result<std::string> NoteBoot(const std::string& data, const functions::Directories& directories);

}  // namespace godwit::node
