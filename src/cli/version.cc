// The verb `version`.
#include <boost/json.hpp>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

Result<> Run(const Args&, Shell& shell) {
  if (shell.out.json()) {
    shell.out.Show(boost::json::object{{"version", kVersion}});
  } else {
    shell.out.Line(fmt::format("godwit {}", kVersion));
  }
  return {};
}

}  // namespace

Verb VersionVerb() {
  return {.name = "version",
          .doing = "print the version",
          .brief = "Print the version of this program",
          .details = "That of a node is in `godwit doctor`.",
          .example = "godwit version",
          .calls_node = false,
          .run = Run};
}

}  // namespace godwit::cli
