// The verb `rm`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

Result<> Run(const Args& args, Shell& shell) {
  boost::json::array removed;
  Result<> all;
  for (const auto& name : args.All("FUNCTION")) {
    const auto done = shell.node.Send(Ask("DELETE", FunctionPath(name)));
    if (!done) {
      all = Result<>(std::unexpected(done.error())).Within("cannot rm '{}'", name);
      break;
    }
    removed.emplace_back(name);
    if (!shell.out.json()) shell.out.Line(name + " removed");
  }
  if (shell.out.json()) shell.out.Show(boost::json::object{{"removed", removed}});
  return all;
}

}  // namespace

Verb RmVerb() {
  return {.name = "rm",
          .brief = "Remove functions, their instances and their images",
          .details =
              "Calls that run or are put away are given up. Stops at the first function that "
              "cannot be removed.",
          .example = "godwit rm greeter reminder",
          .operands = {{"FUNCTION", "its name, as `godwit list` shows it", false, true}},
          .run = Run};
}

}  // namespace godwit::cli
