#pragma once

// A whole node: builds everything, wires it, serves until it is told to stop, and takes it down in
// reverse.
//
// Threads: the caller's becomes the loop; the pool and the journal have their own. Failure: of the
// start-up, with what to do; a node that serves ends only by SIGTERM or SIGINT. The second signal
// does not wait.
#include "base/error.h"
#include "cli/config.h"
#include "cli/output.h"

namespace godwit::node {

Result<> RunNode(const cli::NodeConfig& config);

}  // namespace godwit::node
