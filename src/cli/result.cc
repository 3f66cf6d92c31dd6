// The verb `result`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool Finished(std::string_view status) { return status == "SUCCEEDED" || status == "FAILED"; }

struct Answer {
  std::string body;  // the record as the node sent it
  std::string status;
  std::string function;
};

Result<Answer> Look(NodeClient& node, const std::string& id) {
  GODWIT_TRY(const auto response, node.Send(Ask("GET", AdminPath("invocations", id))));
  const auto value = ParseJson(response.body);
  const auto* record = value ? value->if_object() : nullptr;
  if (record == nullptr || Str(*record, "status").empty()) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does", node.endpoint());
  }
  return Answer{response.body, Str(*record, "status"), Str(*record, "function")};
}

Result<Answer> Await(Shell& shell, const std::string& id) {
  Nanos pause = milliseconds(50);
  while (true) {
    GODWIT_TRY(Answer answer, Look(shell.node, id));
    if (Finished(answer.status)) return answer;
    shell.pause(pause);
    pause = std::min<Nanos>(pause * 2, seconds(1));
  }
}

Result<> Run(const Args& args, Shell& shell) {
  const std::string id = args.Get("REQUEST");
  GODWIT_TRY(const Answer answer, args.Has("--wait") ? Await(shell, id) : Look(shell.node, id));
  const bool failed = answer.status == "FAILED";
  if (shell.out.json()) {
    shell.out.Line(answer.body);
  } else if (!Finished(answer.status)) {
    shell.out.Line(answer.status);
  } else {
    // The payload as the function gave it, not read and written anew.
    GODWIT_TRY(const auto payload,
               shell.node.Send(Ask("GET", AdminPath("invocations", id) + "/result")));
    shell.out.Line(payload.body);
  }
  if (!failed) return {};
  return Fail(Code::kInternal,
              "cannot invoke '{0}': the function failed in the call '{1}' (see `godwit logs {0}`)",
              answer.function, id);
}

}  // namespace

Verb ResultVerb() {
  return {.name = "result",
          .doing = "give the result of",
          .brief = "Print the result of a call made with `godwit invoke --async`",
          .details =
              "A call that has not ended prints its status, QUEUED or RUNNING. Results are kept "
              "for the node's result_keep, a day by default. The exit code is 1 if the function "
              "failed.",
          .example = "godwit result 6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411 --wait",
          .operands = {{"REQUEST", "the request id that `godwit invoke --async` printed"}},
          .flags = {{"--wait", "", "wait for the call to end"}},
          .run = Run};
}

}  // namespace godwit::cli
