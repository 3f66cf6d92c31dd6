#pragma once

// The commands of the relay, a line each; what an answer's line says.
//
//   port NAME SPACE DEVICE     a new port: a TAP of that name in that network namespace
//   drop NAME                  its end
//   set PATHS KEY=VALUE…       limits of paths (limits.h); the others stay
//   cut PATHS    heal PATHS
//   stats                      what came of the frames of each path, as JSON
//
// PATHS is `a>b`, `a,b` (both directions), `a` (all from and to it) or `*`. Threads: the relay's
// other one. Failure: kInvalid, kNotFound and what the relay says; then nothing was changed.
#include <string>
#include <string_view>

#include "base/error.h"
#include "testbed/relay.h"

namespace godwit::testbed {

Result<std::string> Obey(std::string_view line, Relay& relay);

}  // namespace godwit::testbed
