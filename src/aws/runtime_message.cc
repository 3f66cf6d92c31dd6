#include "aws/runtime_message.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "aws/text.h"

namespace godwit::aws {

std::string RuntimeErrorObject(std::string_view type, std::string_view message) {
  return boost::json::serialize(
      boost::json::object{{"errorMessage", Printable(message)}, {"errorType", Printable(type)}});
}

http::Response RuntimeAccepted() { return http::Json(202, "{\"status\":\"OK\"}\n"); }

http::Response RuntimeRefusal(int status, std::string_view type, std::string_view message) {
  return http::Json(status, RuntimeErrorObject(type, message));
}

http::Response RuntimeVerdict(const Result<>& verdict) {
  if (verdict) return RuntimeAccepted();
  switch (verdict.error().code()) {
    case Code::kNotFound:
      return RuntimeRefusal(400, "InvalidRequestID", "Invalid request ID");
    case Code::kConflict:
      return RuntimeRefusal(403, "InvalidStateTransition", verdict.error().ToString());
    case Code::kTooLarge:
      return RuntimeRefusal(413, "RequestEntityTooLarge",
                            fmt::format("Exceeded maximum allowed payload size ({} bytes).",
                                        functions::kMaxResponse));
    default:
      return RuntimeRefusal(500, "InternalServerError", verdict.error().ToString());
  }
}

http::Response RuntimeEvent(const functions::RuntimeCalls::Next& next) {
  using std::chrono::milliseconds;
  const functions::Invocation& invocation = *next.invocation;
  const auto deadline = std::chrono::duration_cast<milliseconds>(next.deadline.since_epoch);
  http::Response response;
  response.headers.reserve(7);
  response.headers.emplace_back("Content-Type", "application/json");
  response.headers.emplace_back("Lambda-Runtime-Aws-Request-Id", invocation.id.text);
  response.headers.emplace_back("Lambda-Runtime-Deadline-Ms",
                                fmt::format_int(deadline.count()).str());
  response.headers.emplace_back("Lambda-Runtime-Invoked-Function-Arn", next.function_arn);
  if (!invocation.trace_id.empty()) {
    response.headers.emplace_back("Lambda-Runtime-Trace-Id", HeaderValue(invocation.trace_id));
  }
  if (!invocation.client_context.empty()) {
    response.headers.emplace_back("Lambda-Runtime-Client-Context",
                                  HeaderValue(invocation.client_context));
  }
  response.headers.emplace_back("Godwit-Attempt", fmt::format_int(invocation.attempt).str());
  response.body = invocation.payload;
  return response;
}

http::Response RuntimeRestored(std::string_view log_stream) {
  http::Response response = http::Text(200, "");
  response.headers.emplace_back("Godwit-Log-Stream", std::string(log_stream));
  return response;
}

}  // namespace godwit::aws
