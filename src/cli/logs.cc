// The verb `logs`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/log_tail.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

constexpr int64_t kDefaultBytes = 64 * 1024;
constexpr Nanos kBetweenLooks = std::chrono::milliseconds(500);

Result<> Run(const Args& args, Shell& shell) {
  Output& out = shell.out;
  const bool follow = args.Has("--follow");
  if (follow && out.json())
    return Fail(Code::kInvalid, "--follow does not end, so it is not for --json");
  GODWIT_TRY(const auto bytes, args.Number("--bytes"));
  if (bytes && *bytes < 0) return Fail(Code::kInvalid, "--bytes wants a number of 0 or more");
  const std::string target = AdminPath("functions", args.Get("FUNCTION")) +
                             fmt::format("/logs?bytes={}", bytes.value_or(kDefaultBytes));
  GODWIT_TRY(auto response, shell.node.Send(Ask("GET", target)));
  if (out.json()) {
    out.Show(boost::json::object{{"function", args.Get("FUNCTION")}, {"log", response.body}});
    return {};
  }
  out.Print(response.body);
  while (follow) {
    GODWIT_TRY(out.Finish());
    shell.pause(kBetweenLooks);
    GODWIT_TRY(auto later, shell.node.Send(Ask("GET", target)));
    out.Print(NewText(response.body, later.body));
    response = std::move(later);
  }
  return {};
}

}  // namespace

Verb LogsVerb() {
  return {.name = "logs",
          .doing = "show the log of",
          .brief = "Print what a function's instances have written, the newest last",
          .example = "godwit logs greeter --follow",
          .operands = {{"FUNCTION", "its name, as `godwit list` shows it"}},
          .flags = {{"--bytes", "N", "at most so many of the newest bytes; else 65536"},
                    {"--follow", "", "go on as more is written, until Ctrl-C"}},
          .run = Run};
}

}  // namespace godwit::cli
