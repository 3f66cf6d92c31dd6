// The verbs `suspend` and `resume`.
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

Result<> Move(const Args& args, Shell& shell, std::string_view action) {
  const std::string id = args.Get("INSTANCE");
  const std::string tier = args.Get("--tier");
  const auto done = shell.node.Post(AdminPath("instances", id) + "/" + std::string(action) +
                                        (tier.empty() ? "" : "?tier=" + PercentEncode(tier)),
                                    {});
  if (!done) {
    Error why = done.error();
    if (why.code() == Code::kConflict && !why.ToString().ends_with(')'))
      why = Error(why.code(), why.ToString() + " (`godwit ps` shows its state)");
    return std::unexpected(std::move(why));
  }
  const auto& value = *done;
  if (shell.out.json()) {
    shell.out.Show(value);
    return {};
  }
  const auto* report = value.if_object();
  const auto* instance = report == nullptr ? nullptr : Member(*report, "instance");
  if (instance == nullptr) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  const uint64_t image = Num(*instance, "image_bytes");  // none once it is back
  shell.out.Line(fmt::format(
      "{}  {}  memory {} -> {}{}  in {}", Str(*instance, "instance"),
      shell.out.Paint(Colour::kCyan, Str(*instance, "state")),
      HumanBytes(Num(*report, "memory_before")), HumanBytes(Num(*report, "memory_after")),
      image == 0 ? "" : "  image " + HumanBytes(image),
      HumanSpan(std::chrono::microseconds(static_cast<int64_t>(Num(*report, "took_us"))))));
  return {};
}

const Operand kInstance = {"INSTANCE", "its id, as `godwit ps` shows it"};

}  // namespace

Verb SuspendVerb() {
  return {.name = "suspend",
          .brief = "Put an instance away, mid-call if need be, and free its memory",
          .details =
              "It comes back by itself when what it sleeps on is due or a call wants it, or by "
              "hand with `godwit resume`. An instance that cannot be put away goes on as it was, "
              "and the error says what stands in the way.\n\n"
              "With --tier it goes less far: frozen stays in memory without a processor, spilled "
              "keeps its processes and has its memory on disk, disk (the default) keeps nothing.",
          .example = "godwit suspend i-3f9a0c51b2",
          .operands = {kInstance},
          .flags = {{"--tier", "TIER", "how far: frozen, spilled or disk", false,
                     "frozen spilled disk"}},
          .run = [](const Args& args, Shell& shell) { return Move(args, shell, "suspend"); }};
}

Verb ResumeVerb() {
  return {.name = "resume",
          .brief = "Bring an instance back, to where it was",
          .example = "godwit resume i-3f9a0c51b2",
          .operands = {kInstance},
          .run = [](const Args& args, Shell& shell) { return Move(args, shell, "resume"); }};
}

}  // namespace godwit::cli
