#pragma once

// One command line, from its words to its exit code.
//
// main() builds the verbs and calls Main(); tests call Run() with a world of their own. Threads:
// one. Failure: each error is one line on standard error, `godwit: cannot VERB 'OPERAND': reason
// (what to do)`, and the exit code is the error's (base/error.h).
#include <iosfwd>
#include <span>
#include <string>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace godwit::cli {

struct World {
  Transport transport;
  Output& out;
  std::istream& in;
  const Clock& clock;
  std::function<void(Nanos)> pause;
  std::string endpoint;  // the variable GODWIT_ENDPOINT; may be empty
};

int Run(std::span<const Verb> verbs, std::span<const std::string> words, World world);

// Run() in the real world: the process's streams, environment, clock and network.
int Main(std::span<const Verb> verbs, int argc, char** argv);

}  // namespace godwit::cli
