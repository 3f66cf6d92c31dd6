// The verb `list`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/human.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

namespace json = boost::json;

// All pages of ListFunctions.
Result<json::array> Functions(NodeClient& node) {
  json::array all;
  std::string marker;
  do {
    const std::string query = marker.empty() ? "" : "?Marker=" + PercentEncode(marker);
    GODWIT_TRY(const auto page, node.Get("/2015-03-31/functions/" + query));
    const auto* object = page.if_object();
    const auto* functions = object == nullptr ? nullptr : object->if_contains("Functions");
    if (functions == nullptr || !functions->is_array()) {
      return Fail(Code::kUnavailable, "'{}' does not list functions as Lambda does",
                  node.endpoint());
    }
    for (const auto& function : functions->get_array()) all.push_back(function);
    marker = Str(*object, "NextMarker");
  } while (!marker.empty());
  return all;
}

Result<> Run(const Args&, Shell& shell) {
  GODWIT_TRY(json::array functions, Functions(shell.node));
  if (shell.out.json()) {
    shell.out.Show(json::value(std::move(functions)));
    return {};
  }
  if (functions.empty()) {
    shell.out.Progress("no functions yet (deploy one: godwit deploy DIR)");
    return {};
  }
  Table table{{"FUNCTION", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "CODE", "MODIFIED"}, {}};
  for (const auto& value : functions) {
    if (!value.is_object()) continue;
    const auto& f = value.get_object();
    const auto modified = ParseIso(Str(f, "LastModified"));
    table.rows.push_back({{Str(f, "FunctionName")},
                          {Str(f, "Runtime")},
                          {Str(f, "Handler")},
                          {fmt::format("{} MB", Num(f, "MemorySize")), Colour::kNone, true},
                          {fmt::format("{} s", Num(f, "Timeout")), Colour::kNone, true},
                          {HumanBytes(Num(f, "CodeSize")), Colour::kNone, true},
                          {modified ? HumanMoment(*modified, shell.clock.Wall()) : "-"}});
  }
  shell.out.Show(table);
  return {};
}

}  // namespace

Verb ListVerb() {
  return {.name = "list",
          .doing = "list functions",
          .brief = "List the functions that are deployed",
          .example = "godwit list",
          .run = Run};
}

}  // namespace godwit::cli
