// The verb `invoke`.
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

// "ValueError: no such name" of Lambda's error object.
std::string WhatFailed(std::string_view payload) {
  const auto value = ParseJson(payload);
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr) return "it answered with an error";
  const std::string type = Str(*object, "errorType");
  const std::string message = Str(*object, "errorMessage");
  if (type.empty() || message.empty())
    return "it answered with " + (type.empty() ? "an error" : type);
  return type + ": " + message;
}

void ShowJson(const http::Response& response, const std::string& log, Output& out) {
  const auto text_or_null = [](std::string_view text) {
    return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
  };
  const boost::json::object head = {
      {"request_id", text_or_null(response.Get("x-amzn-RequestId"))},
      {"status_code", response.status},
      {"executed_version", text_or_null(response.Get("X-Amz-Executed-Version"))},
      {"function_error", text_or_null(response.Get("X-Amz-Function-Error"))},
      {"log_tail", text_or_null(log)}};
  out.Line(WithRaw(head, "payload", response.body));
}

Result<> Run(const Args& args, Shell& shell) {
  Output& out = shell.out;
  const bool async = args.Has("--async");
  if (async && args.Has("--tail")) {
    return Fail(Code::kInvalid, "--tail needs the answer, which --async does not wait for");
  }
  const std::string name = args.Get("FUNCTION");
  http::Request request = Ask("POST", FunctionPath(name) + "/invocations");
  request.headers = {{"Content-Type", "application/json"},
                     {"X-Amz-Invocation-Type", async ? "Event" : "RequestResponse"}};
  if (args.Has("--tail")) request.headers.push_back({"X-Amz-Log-Type", "Tail"});
  GODWIT_TRY(const std::string payload, ReadPayload(args.Find("PAYLOAD").value_or("{}"), shell.in));
  request.body = payload;
  const auto sent = shell.node.Send(std::move(request));
  if (!sent && sent.error().code() == Code::kInvalid && !ParseJson(payload)) {
    return PayloadIsNotJson();
  }
  GODWIT_TRY(const auto response, sent);

  if (async) {
    const std::string id(response.Get("x-amzn-RequestId"));
    if (out.json()) {
      out.Show(boost::json::object{{"request_id", id}});
    } else {
      out.Line(id);
    }
    return {};
  }
  const auto log = FromBase64(response.Get("X-Amz-Log-Result")).value_or("");
  if (out.json()) {
    ShowJson(response, log, out);
  } else {
    out.Line(response.body);
    if (args.Has("--tail") && !log.empty())
      out.Note(log.ends_with('\n') ? log.substr(0, log.size() - 1) : log);
  }
  if (response.Get("X-Amz-Function-Error").empty()) return {};
  return Fail(Code::kInternal, "the function failed: {} (see `godwit logs {}`)",
              WhatFailed(response.body), name);
}

}  // namespace

Verb InvokeVerb() {
  return {
      .name = "invoke",
      .brief = "Call a function and print its response",
      .details =
          "Waits for the response however long the call is put away meanwhile; there is no "
          "time-out. Standard output has the response and nothing else. If the function fails, "
          "standard output has its error object, standard error says so, and the exit code is 1.",
      .example =
          "godwit invoke greeter '{\"name\":\"edge\"}'\n"
          "id=$(godwit invoke reminder '{\"seconds\":3600}' --async); godwit result $id --wait",
      .operands = {{"FUNCTION", "its name, as `godwit list` shows it"},
                   {"PAYLOAD", "the event: JSON, @FILE, or - for standard input; else {}", true}},
      .flags = {{"--async", "",
                 "let the node run it and print its request id at once, for `godwit result`"},
                {"--tail", "", "show the end of the call's log on standard error"}},
      .run = Run};
}

}  // namespace godwit::cli
