// The verb `callback`.
#include <boost/json.hpp>

#include "base/try.h"
#include "cli/client.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/payload.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

Result<> Run(const Args& args, Shell& shell) {
  const std::string id = args.Get("REQUEST");
  http::Request request = Ask("POST", AdminPath("invocations", id) + "/callback");
  request.headers = {{"Content-Type", "application/json"}};
  if (const auto key = args.Find("--key")) request.headers.push_back({"Idempotency-Key", *key});
  GODWIT_TRY(const std::string payload, ReadPayload(args.Get("PAYLOAD"), shell.in));
  request.body = payload;
  const auto sent = shell.node.Send(std::move(request));
  if (!sent && sent.error().code() == Code::kInvalid && !ParseJson(payload))
    return PayloadIsNotJson();
  GODWIT_TRY(const auto response, sent);
  if (shell.out.json()) {
    shell.out.Line(response.body);
    return {};
  }
  const auto answer = ParseJson(response.body);
  const auto* object = answer ? answer->if_object() : nullptr;
  if (object == nullptr) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  shell.out.Line(fmt::format("{}  callback {}", id, Num(*object, "number")));
  return {};
}

}  // namespace

Verb CallbackVerb() {
  return {
      .name = "callback",
      .doing = "deliver a callback to",
      .brief = "Hand a payload to a call that waits for it",
      .details =
          "The call may run, wait for its turn, or be put away; one that waits for this callback "
          "comes back at once. Callbacks are numbered from 0 in the order in which they are "
          "accepted, and a call gets each of them, in this order. When this ends with 0 the "
          "callback is on disk. A function waits for one with godwit.wait_for_callback() in Python "
          "and godwit.waitForCallback() in Node.js.",
      .example =
          "godwit callback 6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411 '{\"approved\":true}'\n"
          "godwit callback 6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411 @answer.json --key order-17",
      .operands = {{"REQUEST",
                    "the call's request id, as `godwit ps` and the function's log show it"},
                   {"PAYLOAD", "JSON, @FILE, or - for standard input"}},
      .flags = {{"--key", "KEY",
                 "up to 128 characters: sent again with the same key, it is delivered once"}},
      .run = Run};
}

}  // namespace godwit::cli
