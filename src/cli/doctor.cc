// The verb `doctor`.
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

json::value ToJson(const std::vector<Feature>& features) {
  json::array list;
  for (const auto& f : features) {
    list.push_back(
        {{"name", f.name}, {"present", f.present}, {"detail", f.detail}, {"cost", f.cost}});
  }
  return list;
}

void ShowFeatures(const json::value& features, Output& out) {
  Table table{{"FEATURE", "HERE", "WHAT WAS FOUND, AND WHAT IS LOST WITHOUT IT"}, {}};
  if (!features.is_array()) return;
  for (const auto& value : features.get_array()) {
    const auto* f = value.if_object();
    if (f == nullptr) continue;
    const bool present = Flagged(*f, "present");
    std::string text = Str(*f, "detail");
    if (!present && !text.empty()) text += "; ";
    if (!present) text += Str(*f, "cost");
    table.rows.push_back({{Str(*f, "name")},
                          {present ? "yes" : "no", present ? Colour::kGreen : Colour::kRed},
                          {text}});
  }
  out.Show(table);
}

void ShowNode(const json::object& node, const std::string& endpoint, Output& out) {
  const auto uptime = std::chrono::milliseconds(static_cast<int64_t>(Num(node, "uptime_ms")));
  out.Line(fmt::format("node {} at {}, pid {}, up {}, {} resident, data in {}, {} functions",
                       Str(node, "version"), endpoint, Num(node, "pid"), HumanSpan(uptime),
                       HumanBytes(Num(node, "rss_bytes")), Str(node, "data"),
                       Num(node, "functions")));
  if (const auto* instances = Member(node, "instances");
      instances != nullptr && !instances->empty()) {
    std::string text = "instances:";
    for (const auto& entry : *instances) {
      const std::string_view state(entry.key().data(), entry.key().size());
      text += fmt::format(" {} {}", Num(*instances, state), state);
    }
    out.Line(text);
  }
  out.Line("");
}

// Of the node if one answers, else of this machine as this process sees it.
Result<> Machine(const FeatureProbe& probe, Shell& shell) {
  const auto answer = shell.node.Get("/godwit/v1/node");
  if (!answer && (answer.error().code() != Code::kUnavailable || !probe)) {
    return std::unexpected(answer.error());
  }
  const auto* node = answer ? answer->if_object() : nullptr;
  json::value features;
  if (node != nullptr) {
    if (const auto* theirs = node->if_contains("features")) features = *theirs;
  } else {
    shell.out.Progress(
        fmt::format("no node at {}: looking at this machine", shell.node.endpoint()));
    features = ToJson(probe());
  }
  if (shell.out.json()) {
    json::object all;
    if (node != nullptr) all = *node;
    all["node"] = node == nullptr ? json::value(nullptr) : json::value(shell.node.endpoint());
    all["features"] = std::move(features);
    shell.out.Show(json::value(std::move(all)));
    return {};
  }
  if (node != nullptr) ShowNode(*node, shell.node.endpoint(), shell.out);
  ShowFeatures(features, shell.out);
  return {};
}

// An instance between two calls holds less than one in the middle of a call.
void ShowTried(const json::object& diagnosis, Output& out) {
  const std::string instance = Str(diagnosis, "instance");
  if (instance.empty()) return;
  const bool waits = Str(diagnosis, "state") == "BLOCKED";
  out.Line(fmt::format("  tried on {}, {}", instance,
                       waits ? "whose call waits"
                             : "which is not waiting in a call: what a call opens was not seen "
                               "(ask again while one waits)"));
}

// What its cold starts are.
void ShowTemplate(const json::object& diagnosis, Output& out) {
  const std::string text = Str(diagnosis, "template");
  if (!text.empty()) out.Line("  template: " + text);
}

Result<> OneFunction(const std::string& name, Shell& shell) {
  GODWIT_TRY(const auto value, shell.node.Get(AdminPath("functions", name) + "/diagnosis"));
  const auto* diagnosis = value.if_object();
  if (diagnosis == nullptr) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  const bool checkpoints = Flagged(*diagnosis, "checkpoints");
  if (shell.out.json()) {
    shell.out.Show(value);
  } else if (checkpoints) {
    shell.out.Line(fmt::format(
        "{} will checkpoint: image {} before it is packed, dumped in {}", name,
        HumanBytes(Num(*diagnosis, "image_bytes")),
        HumanSpan(std::chrono::microseconds(static_cast<int64_t>(Num(*diagnosis, "dump_us"))))));
  } else {
    shell.out.Line(name + " will not checkpoint:");
  }
  if (!shell.out.json()) {
    ShowTried(*diagnosis, shell.out);
    ShowTemplate(*diagnosis, shell.out);
  }
  if (checkpoints) return {};
  size_t count = 0;
  if (const auto* obstacles = diagnosis->if_contains("obstacles");
      obstacles && obstacles->is_array()) {
    count = obstacles->get_array().size();
    for (const auto& obstacle : obstacles->get_array()) {
      if (obstacle.is_string() && !shell.out.json()) {
        shell.out.Line("  " + std::string(obstacle.get_string()));
      }
    }
  }
  return Fail(Code::kUnsupported,
              "{} in the way of a checkpoint (it still runs, but keeps its memory while it waits)",
              count == 1 ? "1 obstacle stands" : fmt::format("{} obstacles stand", count));
}

}  // namespace

Verb DoctorVerb(FeatureProbe probe) {
  return {
      .name = "doctor",
      .doing = "examine",
      .brief = "Say what this machine can do, or whether a function will checkpoint",
      .details =
          "Without FUNCTION: the table of kernel features and tools, and what each missing one "
          "costs; as the node sees it, or if none answers, as this process does (best as root). "
          "With FUNCTION: whether it can be put away, tried on an instance of it, best on one "
          "whose "
          "call waits, and if not, which descriptor of which process stands in the way; the exit "
          "code is then 4. The line `template` says whether its further instances are clones of "
          "one "
          "that was put away after its start, or why not. An instance that is not in a call holds "
          "nothing of what a call opens: "
          "the answer says which it was. The size is that of the image before it is packed; `ps` "
          "and `suspend` show what it takes on disk.",
      .example = "godwit doctor\ngodwit doctor greeter",
      .operands = {{"FUNCTION", "its name, as `godwit list` shows it", true}},
      .run = [probe = std::move(probe)](const Args& args, Shell& shell) {
        const auto function = args.Find("FUNCTION");
        return function ? OneFunction(*function, shell) : Machine(probe, shell);
      }};
}

}  // namespace godwit::cli
