#include "cli/client.h"

#include <boost/json.hpp>

#include "base/code_name.h"
#include "base/try.h"
#include "cli/json_text.h"
#include "http/url.h"

namespace godwit::cli {
namespace {

Code CodeOfStatus(int status) {
  switch (status) {
    case 404:
      return Code::kNotFound;
    case 403:
      return Code::kDenied;
    case 409:
      return Code::kConflict;
    case 412:
      return Code::kStale;
    case 413:
      return Code::kTooLarge;
    case 429:
      return Code::kBusy;
    case 501:
      return Code::kUnsupported;
    case 503:
      return Code::kClosing;
    case 504:
      return Code::kTimeout;
    case 507:
      return Code::kNoSpace;
    default:
      return status < 500 ? Code::kInvalid : Code::kInternal;
  }
}

// Somebody has answered, so that it is not kUnavailable: what is not there is on the other side.
Code AsAnswered(Code code) { return code == Code::kUnavailable ? Code::kInternal : code; }

// An answer that is no JSON is of the server itself, if it is one line.
Error ErrorOfText(const http::Response& response) {
  std::string text = response.body.substr(0, response.body.find('\n'));
  const bool plain = !text.empty() && text.size() < 200 && !text.starts_with('<');
  if (!plain) text = fmt::format("the node answered with status {}", response.status);
  const bool busy = response.status == 503 && !text.contains("shutting down");
  return {busy ? Code::kBusy : CodeOfStatus(response.status), std::move(text)};
}

// What a node says of a function that it does not have, through either API.
std::string WithWayOut(std::string message) {
  if (message.starts_with("Function not found: ") && !message.ends_with(')'))
    message += " (`godwit list` shows the functions)";
  return message;
}

}  // namespace

http::Request Ask(std::string_view method, std::string target) {
  http::Request request;
  request.method = method;
  request.target = std::move(target);
  return request;
}

NodeClient::NodeClient(std::string endpoint, Transport transport)
    : endpoint_(std::move(endpoint)), transport_(std::move(transport)) {}

Result<http::Response> NodeClient::Send(http::Request request) {
  auto response = transport_(endpoint_, std::move(request));
  if (!response) {
    std::string reason = response.error().ToString();
    const bool says_the_way_out = reason.ends_with(')');
    if (reason.contains("does not resolve")) {
      reason += " (name the node with --endpoint HOST:PORT)";
    } else if (!says_the_way_out) {
      reason +=
          " (is a node running there? start one with `sudo godwit node`, or name another with "
          "--endpoint)";
    }
    return std::unexpected(Error(response.error().code(), std::move(reason)));
  }
  if (response->status < 200 || response->status > 299) return std::unexpected(ErrorOf(*response));
  return response;
}

Result<boost::json::value> NodeClient::Get(std::string target) {
  GODWIT_TRY(const auto response, Send(Ask("GET", std::move(target))));
  return Read(response);
}

Result<boost::json::value> NodeClient::Post(std::string target, const boost::json::value& body) {
  return SendJson("POST", std::move(target), body);
}

Result<boost::json::value> NodeClient::Put(std::string target, const boost::json::value& body) {
  return SendJson("PUT", std::move(target), body);
}

Result<boost::json::value> NodeClient::SendJson(std::string_view method, std::string target,
                                                const boost::json::value& body) {
  http::Request request = Ask(method, std::move(target));
  request.headers = {{"Content-Type", "application/json"}};
  if (!body.is_null()) request.body = boost::json::serialize(body);
  GODWIT_TRY(const auto response, Send(std::move(request)));
  return Read(response);
}

Result<boost::json::value> NodeClient::Read(const http::Response& response) {
  auto value = ParseJson(response.body);
  if (!value) {
    return Fail(Code::kUnavailable,
                "'{}' does not answer as a Godwit node does (name one with --endpoint)", endpoint_);
  }
  return *std::move(value);
}

Result<std::string> ReadEndpoint(std::string_view text) {
  const bool whole = text.contains("://") || text.starts_with("unix:");
  std::string url = whole ? std::string(text) : "http://" + std::string(text);
  while (url.ends_with('/')) url.pop_back();
  GODWIT_TRY(const http::Url parsed, http::Url::Parse(url));
  if (parsed.tls) {
    return Fail(Code::kUnsupported, "cannot call '{}': TLS is not spoken here (use http://)", url);
  }
  return url;
}

Error ErrorOf(const http::Response& response) {
  const Code by_status = CodeOfStatus(response.status);
  const auto body = ParseJson(response.body);
  const auto* object = body ? body->if_object() : nullptr;
  if (object == nullptr) return ErrorOfText(response);
  if (const auto* error = Member(*object, "error")) {
    const auto code = CodeNamed(Str(*error, "code")).value_or(by_status);
    return {AsAnswered(code), WithWayOut(Str(*error, "message"))};
  }
  for (const auto* key : {"Message", "message"}) {
    auto message = Str(*object, key);
    if (!message.empty()) return {by_status, WithWayOut(std::move(message))};
  }
  return {by_status, fmt::format("the node answered with status {}", response.status)};
}

}  // namespace godwit::cli
