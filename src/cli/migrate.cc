// The verb `migrate`.
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

std::string Span(const boost::json::object& journey, std::string_view key) {
  return HumanSpan(std::chrono::microseconds(static_cast<int64_t>(Num(journey, key))));
}

Result<> Run(const Args& args, Shell& shell) {
  const std::string id = args.Get("INSTANCE");
  const std::string mode = args.Get("--mode");
  boost::json::object body{{"to", args.Get("--to")}};
  if (!mode.empty()) body["mode"] = mode;
  shell.out.Progress(fmt::format("sends '{}' to '{}' ...", id, args.Get("--to")));
  GODWIT_TRY(const auto value, shell.node.Post(AdminPath("instances", id) + "/migrate", body));
  if (shell.out.json()) {
    shell.out.Show(value);
    return {};
  }
  const auto* journey = value.if_object();
  if (journey == nullptr) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  const auto* ran = journey->if_contains("ran");
  const bool was_awake = ran != nullptr && ran->is_bool() && ran->get_bool();
  shell.out.Line(
      fmt::format("{}  {} -> {}  {}  in {}  {} sent  {} of {} pages were not there", id,
                  Str(*journey, "from"), shell.out.Paint(Colour::kCyan, Str(*journey, "to")),
                  was_awake ? "stood still for " + Span(*journey, "downtime_us") : "stayed asleep",
                  Span(*journey, "total_us"), HumanBytes(Num(*journey, "bytes")),
                  Num(*journey, "pages_sent"), Num(*journey, "pages")));
  return {};
}

}  // namespace

Verb MigrateVerb() {
  return {
      .name = "migrate",
      .brief = "Move an instance to another node of the site, mid-call if need be",
      .details =
          "It is looked at first whether the other node can run it; nothing stops before. Whoever "
          "waits for its call gets the result from this node, as before. One that is put away is "
          "moved without being woken. If anything fails it goes on here, and the error says why.",
      .example = "godwit migrate i-3f9a0c51b2 --to node-b",
      .operands = {{"INSTANCE", "its id, as `godwit ps` shows it"}},
      .flags = {{"--to", "NODE", "the node, as `godwit site list` shows it"},
                {"--mode", "MODE", "how: auto (the default) or stop", false, "auto stop"}},
      .run = Run};
}

}  // namespace godwit::cli
