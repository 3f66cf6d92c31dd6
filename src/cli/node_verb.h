#pragma once

// The verb `node`: its flags come from the table of configuration keys; its work is node/'s.
//
// Threads: one. Failure: that of ReadConfig(), then that of `run`.
#include <functional>

#include "cli/config.h"
#include "cli/verb.h"

namespace godwit::cli {

using NodeRun = std::function<Result<>(const NodeConfig&, Output&)>;

Verb NodeVerb(NodeRun run);

}  // namespace godwit::cli
