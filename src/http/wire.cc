#include "http/wire.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>

#include "base/try.h"

namespace godwit::http {
namespace {

constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> bytes{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    bytes[static_cast<unsigned char>(c)] = true;
  }
  return bytes;
}();

bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return kTokenBytes[static_cast<unsigned char>(c)];
  });
}

bool IsValue(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool IsOurs(std::string_view name) {
  switch (name.size()) {
    case 10:
      return EqualsIgnoringCase(name, "Connection");
    case 14:
      return EqualsIgnoringCase(name, "Content-Length");
    case 17:
      return EqualsIgnoringCase(name, "Transfer-Encoding");
    default:
      return false;
  }
}

Result<> CheckHeaders(const std::vector<Header>& headers) {
  for (const Header& header : headers) {
    if (!IsToken(header.name) || !IsValue(header.value)) {
      return Fail(Code::kInvalid,
                  "cannot send the header '{}': it holds bytes that no header may hold",
                  header.name);
    }
  }
  return {};
}

void AppendHeaders(std::string& out, const std::vector<Header>& headers) {
  for (const Header& header : headers) {
    if (IsOurs(header.name)) continue;
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
}

void AppendNumber(std::string& out, size_t number, int base = 10) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), end);
}

void AppendLength(std::string& out, size_t length) {
  out.append("Content-Length: ");
  AppendNumber(out, length);
  out.append("\r\n");
}

void AppendStatusLine(std::string& out, int status) {
  if (status == 200) {  // nearly all
    out.append("HTTP/1.1 200 OK\r\n");
    return;
  }
  namespace http = boost::beast::http;
  out.append("HTTP/1.1 ");
  AppendNumber(out, static_cast<size_t>(status));
  out.push_back(' ');
  const auto known = http::int_to_status(static_cast<unsigned>(status));
  if (known != http::status::unknown) {
    const auto reason = http::obsolete_reason(known);
    out.append(reason.data(), reason.size());
  }
  out.append("\r\n");
}

}  // namespace

bool IsBodiless(int status) { return status == 204 || status == 304; }

Result<> AppendHead(std::string& out, const Response& response, Answering answering) {
  if (response.status < 200 || response.status > 999) {
    return Fail(Code::kInvalid, "cannot send the status {}: no response ends with it",
                response.status);
  }
  GODWIT_TRY(CheckHeaders(response.headers));
  AppendStatusLine(out, response.status);
  AppendHeaders(out, response.headers);
  if (!IsBodiless(response.status)) {
    if (answering.framing == Framing::kLength) AppendLength(out, response.body.size());
    if (answering.framing == Framing::kChunked) out.append("Transfer-Encoding: chunked\r\n");
  }
  if (answering.close) {
    out.append("Connection: close\r\n");
  } else if (!answering.http11) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  return {};
}

Result<> AppendRequest(std::string& out, const Request& request, std::string_view host) {
  GODWIT_TRY(CheckHeaders(request.headers));
  std::string target = request.target;
  if (target.empty()) {
    target = request.path.empty() ? "/" : request.path;
    if (!request.query.empty()) target += "?" + request.query;
  }
  const bool clean =
      std::ranges::none_of(target, [](char c) { return (c >= 0 && c <= ' ') || c == 127; });
  if (!clean || !IsToken(request.method)) {
    return Fail(Code::kInvalid,
                "cannot send '{} {}': a space or a control byte stands in it (encode it as %20)",
                request.method, target);
  }
  out.append(request.method).append(" ").append(target).append(" HTTP/1.1\r\n");
  const bool has_host = std::ranges::any_of(request.headers, [](const Header& header) {
    return EqualsIgnoringCase(header.name, "Host");
  });
  if (!has_host) out.append("Host: ").append(host).append("\r\n");
  AppendHeaders(out, request.headers);
  const bool may_have_body =
      request.method != "GET" && request.method != "HEAD" && request.method != "DELETE";
  if (!request.body.empty() || may_have_body) AppendLength(out, request.body.size());
  if (!request.keep_alive) out.append("Connection: close\r\n");
  out.append("\r\n").append(request.body);
  return {};
}

void AppendChunkSize(std::string& out, size_t size) {
  AppendNumber(out, size, 16);
  out.append("\r\n");
}

}  // namespace godwit::http
