#include <array>
#include <optional>
#include <utility>

#include "aws/lambda_api.h"
#include "aws/lambda_violations.h"
#include "base/bytes.h"
#include "base/try.h"
#include "functions/json_check.h"

namespace godwit::aws {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kNothing =
    "{}";  // what a function gets that is called without a payload

LambdaResult<> CheckPayload(std::string& payload, size_t limit) {
  if (payload.size() > limit) {
    return Refuse(LambdaCode::kRequestTooLarge,
                  "Request must be smaller than {} bytes for the InvokeFunction operation", limit);
  }
  if (payload.empty()) payload = kNothing;
  if (const auto checked = functions::CheckJson(payload); !checked) {
    return Refuse(LambdaCode::kInvalidRequestContent, "Could not parse request body into json: {}",
                  checked.error().reason());
  }
  return {};
}

LambdaResult<std::string> ClientContext(std::string_view header) {
  if (header.empty()) return {};
  auto context = FromBase64(header);
  if (!context || !functions::CheckJson(*context)) {
    return Refuse(LambdaCode::kInvalidRequestContent,
                  "Client context must be a valid Base64-encoded JSON object.");
  }
  return *std::move(context);
}

}  // namespace

asio::awaitable<LambdaApi::Answer> LambdaApi::Invoke(FunctionRef ref, http::Request& request) {
  const std::string_view kind = request.Get("X-Amz-Invocation-Type");
  const std::string_view log = request.Get("X-Amz-Log-Type");
  const bool event = kind == "Event";
  const bool dry_run = kind == "DryRun";
  Violations violations;
  violations.Choice("invocationType", kind,
                    kind.empty() || kind == "RequestResponse" || event || dry_run,
                    "Event, RequestResponse, DryRun");
  violations.Choice("logType", log, log.empty() || log == "None" || log == "Tail", "None, Tail");
  GODWIT_CO_TRY(violations.Check());
  GODWIT_CO_TRY(
      CheckPayload(request.body, event ? functions::kMaxEventPayload : functions::kMaxSyncPayload));
  GODWIT_CO_TRY(auto context, ClientContext(request.Get("X-Amz-Client-Context")));
  if (dry_run) {
    GODWIT_CO_TRY(Lookup(ref));
    co_return EmptyAnswer(204);
  }
  functions::Platform::Call call;
  call.function = ref.name;
  call.payload = std::move(request.body);
  call.client_context = std::move(context);
  call.trace_id = request.Get("X-Amzn-Trace-Id");
  if (event) co_return co_await Accept(std::move(ref), std::move(call));
  co_return co_await RunToTheEnd(std::move(ref), std::move(call), log == "Tail");
}

asio::awaitable<LambdaApi::Answer> LambdaApi::RunToTheEnd(FunctionRef ref,
                                                          functions::Platform::Call call,
                                                          bool with_log) {
  call.wants_log = with_log;
  auto outcome = co_await platform_.Invoke(std::move(call));
  if (!outcome) co_return std::unexpected(WhyNotRun(outcome.error(), ref));
  http::Response response = http::Json(200, std::move(outcome->payload));
  response.headers.emplace_back("x-amzn-RequestId", std::move(outcome->id.text));
  response.headers.emplace_back("X-Amz-Executed-Version", std::move(outcome->executed_version));
  if (!outcome->function_error.empty()) {
    response.headers.emplace_back("X-Amz-Function-Error", std::move(outcome->function_error));
  }
  if (with_log) {
    std::string_view tail = outcome->log_tail;
    if (tail.size() > functions::kLogTail) tail.remove_prefix(tail.size() - functions::kLogTail);
    response.headers.emplace_back("X-Amz-Log-Result", ToBase64(tail));
  }
  co_return response;
}

asio::awaitable<LambdaApi::Answer> LambdaApi::Accept(FunctionRef ref,
                                                     functions::Platform::Call call) {
  auto id = co_await platform_.Submit(std::move(call));
  if (!id) co_return std::unexpected(WhyNotRun(id.error(), ref));
  http::Response response = EmptyAnswer(202);
  response.headers.emplace_back("x-amzn-RequestId", std::move(id->text));
  co_return response;
}

asio::awaitable<LambdaApi::Answer> LambdaApi::InvokeAsync(FunctionRef ref, http::Request& request) {
  GODWIT_CO_TRY(CheckPayload(request.body, functions::kMaxEventPayload));
  functions::Platform::Call call;
  call.function = ref.name;
  call.payload = std::move(request.body);
  call.trace_id = request.Get("X-Amzn-Trace-Id");
  auto answer = co_await Accept(std::move(ref), std::move(call));
  if (answer) answer->body = R"({"Status":202})";
  co_return answer;
}

LambdaError LambdaApi::WhyNotRun(const Error& error, const FunctionRef& ref) const {
  LambdaError why = Translate(error, ref.QualifiedArn());
  if (why.code == LambdaCode::kTooManyRequests) {
    const auto function = platform_.Get(ref.name);
    if (function && function->spec.max_instances > 0) {
      why.throttle = "ReservedFunctionConcurrentInvocationLimitExceeded";
    }
  }
  return why;
}

}  // namespace godwit::aws
