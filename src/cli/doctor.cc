// The verb `doctor`.
#include <algorithm>
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/human.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/payload.h"
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

constexpr size_t kMostOfAResult = 200;  // characters

// A result may be long, and may have any bytes: cut between two characters.
std::string Shortened(std::string text) {
  if (text.size() <= kMostOfAResult) return text;
  size_t end = kMostOfAResult;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string Micros(const json::object& object, std::string_view key) {
  const uint64_t span = Num(object, key);
  return span == 0 ? "-" : HumanSpan(std::chrono::microseconds(static_cast<int64_t>(span)));
}

std::vector<const json::object*> Objects(const json::object& in, std::string_view key) {
  std::vector<const json::object*> objects;
  const auto* list = in.if_contains(key);
  if (list == nullptr || !list->is_array()) return objects;
  for (const auto& value : list->get_array()) {
    if (const auto* object = value.if_object()) objects.push_back(object);
  }
  return objects;
}

bool Works(const json::object& report, std::string_view tier) {
  return std::ranges::any_of(Objects(report, "tiers"), [&](const json::object* one) {
    return Str(*one, "tier") == tier && Str(*one, "result") == "works";
  });
}

void ShowTiers(const json::object& report, Output& out) {
  Table table{{"TIER", "RESULT", "TOOK", "BACK", "MEMORY", "IMAGE"}, {}};
  for (const auto* one : Objects(report, "tiers")) {
    const std::string result = Str(*one, "result");
    const bool works = result == "works";
    const uint64_t image = Num(*one, "image_bytes");
    table.rows.push_back(
        {{Str(*one, "tier")},
         {result == "not_tried" ? "not tried" : result, works ? Colour::kGreen : Colour::kRed},
         {Micros(*one, "took_us"), Colour::kNone, true},
         {Micros(*one, "back_us"), Colour::kNone, true},
         {works ? HumanBytes(Num(*one, "memory_before")) + " -> " +
                      HumanBytes(Num(*one, "memory_after"))
                : "-"},
         {image == 0 ? "-" : HumanBytes(image), Colour::kNone, true}});
  }
  out.Show(table);
}

void ShowObstacles(const json::object& report, Output& out) {
  for (const auto* one : Objects(report, "obstacles")) {
    const std::string fix = Str(*one, "fix");
    out.Line("  obstacle: " + Str(*one, "what"));
    if (!fix.empty()) out.Line("       fix: " + fix);
  }
}

// What became of the one call, and so what the trial has seen.
void ShowCall(const json::object& report, const std::string& name, Output& out) {
  const auto* call = Member(report, "call");
  if (call == nullptr) return;
  const std::string status = Str(*call, "status");
  const auto* result = call->if_contains("result");
  const std::string text = result == nullptr ? "null" : json::serialize(*result);
  const std::string span = Micros(*call, "took_us");
  if (status == "SUCCEEDED") {
    out.Line(fmt::format("  its call: answered {} in {}", Shortened(text), span));
  } else if (status == "FAILED") {
    out.Line(
        fmt::format("  its call: failed in {}: {} (`godwit logs {}`; --event gives another "
                    "event)",
                    span, Shortened(text), name));
  } else {
    out.Line("  its call: had not ended when its time was over, and was ended (--for gives more)");
  }
  const auto tiers = Objects(report, "tiers");
  const bool tried = std::ranges::any_of(
      tiers, [](const json::object* one) { return Str(*one, "result") != "not_tried"; });
  if (!tried && !tiers.empty()) {
    out.Line("  not tried: " + Str(*tiers.front(), "reason"));
  } else if (Flagged(report, "waited")) {
    const bool to_the_end = tiers.empty() || Str(*tiers.back(), "state") != "READY";
    out.Line(fmt::format("  tried on {}, an instance of its own, while its call waited{}",
                         Str(report, "instance"),
                         to_the_end ? ""
                                    : "; it had ended before the last was tried (--event gives one "
                                      "that waits longer)"));
  } else if (status == "RUNNING") {
    out.Line(
        fmt::format("  tried on {}, an instance of its own, in the middle of its work: it did "
                    "not wait (--for gives it more time)",
                    Str(report, "instance")));
  } else {
    out.Line(
        fmt::format("  tried on {}, an instance of its own, after its call, which did not "
                    "wait: what a call opens was not seen (--event gives one that waits)",
                    Str(report, "instance")));
  }
}

// What its cold starts are.
void ShowTemplate(const json::object& report, Output& out) {
  const std::string text = Str(report, "template");
  if (!text.empty()) out.Line("  template: " + text);
}

Result<json::object> Try(const Args& args, const std::string& name, Shell& shell,
                         std::string& body) {
  std::string target = AdminPath("functions", name) + "/trial";
  Nanos span = std::chrono::seconds(5);
  if (const auto limit = args.Find("--for")) {
    GODWIT_TRY(span, ParseSpan(*limit).Within("--for"));
    target += fmt::format("?for_ms={}", span / std::chrono::milliseconds(1));
  }
  http::Request request = Ask("POST", target);
  GODWIT_TRY(request.body, ReadPayload(args.Find("--event").value_or("{}"), shell.in));
  const bool is_json = ParseJson(request.body).has_value();
  if (!is_json) return PayloadIsNotJson();
  shell.out.Progress(fmt::format("runs '{}' once, for {} at most", name, HumanSpan(span)));
  GODWIT_TRY(const http::Response response, shell.node.Send(std::move(request)));
  body = response.body;
  auto value = ParseJson(body);
  if (!value || !value->is_object()) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  return std::move(value->get_object());
}

std::unexpected<Error> WillNot(const json::object& report) {
  const size_t count = Objects(report, "obstacles").size();
  if (count == 0)
    return Fail(Code::kInternal, "it ended before it could be tried in each tier (see its log)");
  const std::string what =
      count == 1 ? "1 obstacle stands" : fmt::format("{} obstacles stand", count);
  return Fail(Code::kUnsupported, "{} in the way of SUSPENDED (while it waits, {})", what,
              Works(report, "SPILLED")
                  ? "it is SPILLED: its processes stay, its memory goes to disk"
                  : "it runs on, and keeps its memory");
}

Result<> OneFunction(const Args& args, const std::string& name, Shell& shell) {
  std::string body;
  GODWIT_TRY(const json::object report, Try(args, name, shell, body));
  const bool checkpoints = Flagged(report, "checkpoints");
  if (shell.out.json()) {
    shell.out.Line(body);
  } else {
    shell.out.Line(name + (checkpoints ? " will checkpoint" : " will not checkpoint"));
    ShowTiers(report, shell.out);
    ShowObstacles(report, shell.out);
    ShowCall(report, name, shell.out);
    ShowTemplate(report, shell.out);
  }
  if (checkpoints) return {};
  return WillNot(report);
}

Result<> Run(const Args& args, Shell& shell, const FeatureProbe& probe) {
  if (const auto function = args.Find("FUNCTION")) return OneFunction(args, *function, shell);
  for (const char* flag : {"--event", "--for"}) {
    if (args.Has(flag)) return Fail(Code::kInvalid, "{} needs the name of a function", flag);
  }
  return Machine(probe, shell);
}

}  // namespace

Verb DoctorVerb(FeatureProbe probe) {
  return {
      .name = "doctor",
      .doing = "examine",
      .brief = "Say what this machine can do, or what stands in the way of a function's checkpoint",
      .details =
          "Without FUNCTION: the table of kernel features and tools, and what each missing one "
          "costs; as the node sees it, or if none answers, as this process does (best as root).\n\n"
          "With FUNCTION: the function is really run once, with the event that --event gives, in "
          "an instance of its own, so that nobody's call is disturbed; whatever it does to the "
          "world, it does. When its call waits, or has ended, or its time is over, that instance "
          "is put into each tier and brought back: FROZEN, SPILLED, SUSPENDED. The table says what "
          "each took and what memory was left; below it is what stood in the way, with what can be "
          "done about it, and what the call came to. What a call opens is seen only if it waits: "
          "give an event with which it does. The exit code is 4 if it cannot be SUSPENDED. The "
          "line `template` says whether its further instances are clones of one that was put away "
          "after its start, or why not.",
      .example =
          "godwit doctor\n"
          "godwit doctor reminder --event '{\"text\":\"tea\",\"seconds\":60}' --for 3s",
      .operands = {{"FUNCTION", "its name, as `godwit list` shows it", true}},
      .flags = {{"--event", "JSON",
                 "the event that FUNCTION is run once with: JSON, @FILE, or - for standard input; "
                 "else {}"},
                {"--for", "DURATION", "how long its call may run: 10s; else 5s, at most 15m"}},
      .run = [probe = std::move(probe)](const Args& args, Shell& shell) {
        return Run(args, shell, probe);
      }};
}

}  // namespace godwit::cli
