// The verb `ps`.
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

constexpr size_t kWideTerminal = 140;  // columns that hold a whole request id and a reason

Colour ColourOf(std::string_view state) {
  if (state == "SUSPENDED" || state == "SPILLED") return Colour::kCyan;
  if (state == "BUSY") return Colour::kGreen;
  if (state == "LOST") return Colour::kRed;
  if (state == "STOPPED") return Colour::kDim;
  return state == "READY" ? Colour::kNone : Colour::kYellow;
}

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

std::vector<Cell> RowOf(const boost::json::object& instance, WallTime now, bool narrow) {
  const std::string state = Str(instance, "state");
  const auto wakes = ParseIso(Str(instance, "wakes_at"));
  std::string request = OrDash(Str(instance, "request_id"));
  if (narrow && request.size() > 8) request = request.substr(0, 8) + "…";
  const uint64_t image = Num(instance, "image_bytes");
  return {{Str(instance, "instance")},
          {Str(instance, "function")},
          {state, ColourOf(state)},
          {HumanBytes(Num(instance, "memory_bytes")), Colour::kNone, true},
          {image == 0 ? "-" : HumanBytes(image), Colour::kNone, true},
          {wakes ? HumanMoment(*wakes, now) : "-"},
          {request},
          {OrDash(Str(instance, "reason"))}};
}

// What the node knows of one instance, and the rule that decided where it is.
Result<> Why(const std::string& id, Shell& shell) {
  GODWIT_TRY(const auto value, shell.node.Get(AdminPath("instances", id)));
  const auto* object = value.if_object();
  const auto* why = object == nullptr ? nullptr : Member(*object, "why");
  if (why == nullptr) {
    return Fail(Code::kConflict, "instance '{}' has ended: nothing is decided about it", id);
  }
  if (shell.out.json()) {
    shell.out.Show(*why);
    return {};
  }
  Table table{{"FACT", "VALUE"}, {}};
  table.rows.push_back({{"state"}, {Str(*object, "state"), ColourOf(Str(*object, "state"))}});
  for (const auto& [name, fact] : *why) {
    table.rows.push_back({{std::string(name)}, {Str(*why, name)}});
  }
  shell.out.Show(table);
  return {};
}

Result<> Copies(Shell& shell) {
  GODWIT_TRY(const auto value, shell.node.Get("/godwit/v1/copies"));
  if (shell.out.json() || !value.is_array()) {
    shell.out.Show(value);
    return {};
  }
  Table table{{"INSTANCE", "FUNCTION", "OF NODE", "IMAGE", "REQUEST"}, {}};
  for (const auto& one : value.get_array()) {
    const auto* copy = one.if_object();
    if (copy == nullptr) continue;
    table.rows.push_back({{Str(*copy, "instance")},
                          {Str(*copy, "function")},
                          {Str(*copy, "node")},
                          {HumanBytes(Num(*copy, "image_bytes")), Colour::kNone, true},
                          {Str(*copy, "request_id")}});
  }
  if (table.rows.empty()) {
    shell.out.Progress("no copies (a site keeps one of each call that is put away)");
    return {};
  }
  shell.out.Show(table);
  return {};
}

Result<> Run(const Args& args, Shell& shell) {
  if (args.Has("--why")) return Why(args.Get("--why"), shell);
  if (args.Has("--copies")) return Copies(shell);
  const bool site = args.Has("--site");
  GODWIT_TRY(const auto value,
             shell.node.Get(site ? "/godwit/v1/instances?of=site" : "/godwit/v1/instances"));
  if (!value.is_array()) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  if (shell.out.json()) {
    shell.out.Show(value);
    return {};
  }
  if (value.get_array().empty()) {
    shell.out.Progress("no instances (a function gets one with its first call)");
    return {};
  }
  const bool narrow = shell.out.terminal() && shell.out.width() < kWideTerminal;
  Table table{{"INSTANCE", "FUNCTION", "STATE", "MEMORY", "IMAGE", "WAKES", "REQUEST", "REASON"},
              {}};
  if (site) table.header.insert(table.header.begin(), "NODE");
  for (const auto& instance : value.get_array()) {
    const auto* object = instance.if_object();
    if (object == nullptr) continue;
    if (object->contains("error")) {
      shell.out.Progress(
          fmt::format("'{}' cannot be asked: {}", Str(*object, "node"), Str(*object, "error")));
      continue;
    }
    auto row = RowOf(*object, shell.clock.Wall(), narrow);
    if (site) row.insert(row.begin(), {Str(*object, "node")});
    table.rows.push_back(std::move(row));
  }
  shell.out.Show(table);
  return {};
}

}  // namespace

Verb PsVerb() {
  return {
      .name = "ps",
      .doing = "list instances",
      .brief = "List the instances: state, memory, image on disk, when they wake and why they wait",
      .details =
          "STARTING: its walls go up and its runtime starts. READY: waits for a call. BUSY: runs "
          "one. BLOCKED: its call waits for something. FROZEN: in memory, without a processor. "
          "SPILLED: its processes wait, their memory is on disk. SUSPENDED: on disk, with no "
          "process and no memory. RESUMING: on its way back. STOPPED: ended. LOST: gone without an "
          "image.",
      .example = "godwit ps",
      .flags = {{"--why", "INSTANCE", "what is known of this one, and why it is where it is"},
                {"--site", "", "those of all nodes of the site"},
                {"--copies", "", "copies of other nodes' instances that are kept here"}},
      .run = Run};
}

}  // namespace godwit::cli
