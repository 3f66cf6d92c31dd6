// The verb `logs`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

constexpr int64_t kDefaultBytes = 64 * 1024;
constexpr int64_t kMostBytes = 4 * 1024 * 1024;  // as much as a node keeps of a log
constexpr Nanos kBetweenLooks = std::chrono::milliseconds(500);

// The place where an answer ends: the next look begins there.
Result<std::string> PlaceOf(const http::Response& response, const NodeClient& node) {
  std::string place(response.Get("Godwit-Log-Next"));
  if (!place.empty()) return place;
  return Fail(Code::kUnavailable,
              "'{}' does not answer as a Godwit node does (is it an older one?)", node.endpoint());
}

Result<> Follow(const std::string& path, std::string place, Shell& shell) {
  while (true) {
    GODWIT_TRY(shell.out.Finish());
    GODWIT_TRY(
        const auto more,
        shell.node.Send(Ask("GET", fmt::format("{}?after={}&bytes={}", path, place, kMostBytes))));
    if (const auto skipped = more.Get("Godwit-Log-Skipped"); !skipped.empty())
      shell.out.Note(
          fmt::format("godwit: {} bytes of the log came too fast and are gone", skipped));
    shell.out.Print(more.body);
    GODWIT_TRY(place, PlaceOf(more, shell.node));
    if (more.body.size() < kMostBytes / 4) shell.pause(kBetweenLooks);
  }
}

Result<> Run(const Args& args, Shell& shell) {
  Output& out = shell.out;
  const bool follow = args.Has("--follow");
  if (follow && out.json())
    return Fail(Code::kInvalid, "--follow does not end, so it is not for --json");
  GODWIT_TRY(const auto bytes, args.Number("--bytes"));
  if (bytes && (*bytes < 0 || *bytes > kMostBytes))
    return Fail(Code::kInvalid, "--bytes is {} (give 0 to {})", *bytes, kMostBytes);
  const std::string path = AdminPath("functions", args.Get("FUNCTION")) + "/logs";
  GODWIT_TRY(
      const auto response,
      shell.node.Send(Ask("GET", fmt::format("{}?bytes={}", path, bytes.value_or(kDefaultBytes)))));
  if (out.json()) {
    out.Show(boost::json::object{{"function", args.Get("FUNCTION")}, {"log", response.body}});
    return {};
  }
  out.Print(response.body);
  if (!follow) return {};
  GODWIT_TRY(std::string place, PlaceOf(response, shell.node));
  return Follow(path, std::move(place), shell);
}

}  // namespace

Verb LogsVerb() {
  return {.name = "logs",
          .doing = "show the log of",
          .brief = "Print what a function's instances have written, the newest last",
          .details =
              "Whole lines in the order in which they came, whichever instance wrote them. What "
              "the platform has to say of a failed call is there too: that it timed out, that its "
              "process ended. A node keeps the newest 3 to 4 MiB of each function's log.",
          .example = "godwit logs greeter --follow",
          .operands = {{"FUNCTION", "its name, as `godwit list` shows it"}},
          .flags = {{"--bytes", "N", "at most so many of the newest bytes; else 65536"},
                    {"--follow", "", "go on as more is written, until Ctrl-C"}},
          .run = Run};
}

}  // namespace godwit::cli
