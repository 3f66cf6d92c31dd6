#include "sites/etcd_options.h"

#include "base/bytes.h"
#include "base/try.h"
#include "http/url.h"

namespace godwit::sites {

namespace {

constexpr std::string_view kPlain = "etcd://";
constexpr std::string_view kTls = "etcds://";
constexpr size_t kMaxEndpoints = 16;

std::unexpected<Error> NoUrl(std::string_view shown) {
  return Fail(
      Code::kInvalid,
      "'{}' is no coordinator (write it as etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...])",
      shown);
}

}  // namespace

Result<EtcdOptions> EtcdOptions::Parse(std::string_view url) {
  const bool tls = url.starts_with(kTls);
  if (!tls && !url.starts_with(kPlain)) return NoUrl(url);
  std::string_view rest = url.substr(tls ? kTls.size() : kPlain.size());
  EtcdOptions options;
  // A password is never shown.
  std::string shown(url);
  if (const size_t at = rest.rfind('@'); at != rest.npos) {
    const std::string_view who = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    shown = fmt::format("{}...@{}", tls ? kTls : kPlain, rest);
    const size_t colon = who.find(':');
    const auto user = PercentDecode(who.substr(0, colon));
    const auto password =
        PercentDecode(colon == who.npos ? std::string_view() : who.substr(colon + 1));
    if (!user || user->empty() || !password) return NoUrl(shown);
    options.user = *user;
    options.password = *password;
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view host = rest.substr(0, comma);
    const size_t bracket = host.rfind(']');
    if (host.find(':', bracket == host.npos ? 0 : bracket) == host.npos) return NoUrl(shown);
    std::string endpoint = fmt::format("{}{}", tls ? "https://" : "http://", host);
    const auto parsed = http::Url::Parse(endpoint);
    if (!parsed || options.endpoints.size() == kMaxEndpoints) return NoUrl(shown);
    options.endpoints.push_back(std::move(endpoint));
    if (comma == rest.npos) return options;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace godwit::sites
