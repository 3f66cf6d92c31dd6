#pragma once

// What this machine has for a node: the kernel and CRIU, and the interpreters of the runtimes.
//
// Threads: any but the loop's; runs programs, some hundreds of milliseconds. Failure: a missing
// thing is a Feature that is not present.
#include <string>
#include <vector>

#include "base/feature.h"

namespace godwit::node {

// `criu`: as in the configuration; empty: looked for.
std::vector<Feature> ProbeMachine(const std::string& criu);

}  // namespace godwit::node
