#include "http/url.h"

#include <algorithm>

namespace godwit::http {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttpsPort = "443";
constexpr std::string_view kUnix = "unix:";

std::unexpected<Error> NoUrl(std::string_view text) {
  return Fail(Code::kInvalid,
              "'{}' is no endpoint (write it as http://127.0.0.1:9000 or unix:/path)", text);
}

bool IsPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos;
}

bool IsHost(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

Result<Url> Url::Parse(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with(kUnix)) {
    url.local = true;
    url.host = rest.substr(kUnix.size());
    if (!url.host.starts_with('/')) return NoUrl(text);
    return url;
  }
  url.tls = rest.starts_with(kHttps);
  if (url.tls) url.port = kHttpsPort;
  if (!url.tls && !rest.starts_with(kHttp)) return NoUrl(text);
  rest.remove_prefix(url.tls ? kHttps.size() : kHttp.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == rest.npos) return NoUrl(text);
    url.host = rest.substr(1, end - 1);
    if (url.host.empty() || url.host.find_first_not_of("0123456789abcdefABCDEF:.") != url.host.npos)
      return NoUrl(text);
    rest.remove_prefix(end + 1);
  } else {
    url.host = rest.substr(0, rest.find(':'));
    if (!IsHost(url.host)) return NoUrl(text);
    rest.remove_prefix(url.host.size());
  }
  if (rest.empty()) return url;
  if (rest.front() != ':' || !IsPort(rest.substr(1))) return NoUrl(text);
  url.port = rest.substr(1);
  return url;
}

std::string Url::Authority() const {
  if (local) return "localhost";
  std::string authority = ToAddress();
  if (port == (tls ? kHttpsPort : "80")) authority.resize(authority.size() - port.size() - 1);
  return authority;
}

std::string Url::ToAddress() const {
  if (local) return std::string(kUnix) + host;
  return host.contains(':') ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace godwit::http
