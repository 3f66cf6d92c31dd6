#include "sites/site_api.h"

#include <boost/json.hpp>
#include <charconv>

#include "base/bytes.h"
#include "base/try.h"
#include "sites/coordinators.h"

namespace godwit::sites {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::string_view kRoot = "/godwit/v1/site";
constexpr std::string_view kMember = "/godwit/v1/site/members/";
constexpr std::chrono::milliseconds kLongest = std::chrono::days(30);

http::Response Ok(const json::value& body) { return http::Json(200, json::serialize(body)); }

Result<Nanos> TtlOf(const http::Request& request) {
  const std::string text = request.Param("ttl_ms").value_or("3600000");
  int64_t ms = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, ms);
  if (error != std::errc() || rest != end || ms < 1000 || ms > kLongest.count()) {
    return Fail(Code::kInvalid, "a token lasts from a second to 30 days, not '{}' ms", text);
  }
  return std::chrono::milliseconds(ms);
}

}  // namespace

bool SiteApi::Serves(const http::Request& request) {
  return request.path == kRoot || request.path.starts_with(std::string(kRoot) + "/");
}

asio::awaitable<http::Response> SiteApi::Handle(http::Request request) {
  if (site_ == nullptr) {
    co_return Refusal({Code::kNotFound,
                       "this node belongs to no site (stop it, and make one with `godwit site "
                       "init` or enter one with `godwit site join`)"});
  }
  auto answer = co_await Answered(request);
  co_return answer ? *std::move(answer) : Refusal(answer.error());
}

Answer<http::Response> SiteApi::Answered(const http::Request& request) {
  const bool post = request.method == "POST";
  if (request.path == kRoot && request.method == "GET") co_return co_await List();
  if (post && request.path == "/godwit/v1/site/tokens") co_return co_await Token(request);
  if (post && request.path == "/godwit/v1/site/leave") {
    GODWIT_CO_TRY(co_await site_->Leave());
    co_return Ok(json::object{{"left", site_->identity().site}, {"node", site_->identity().name}});
  }
  if (request.method == "DELETE" && request.path.starts_with(kMember)) {
    const auto name = PercentDecode(request.path.substr(kMember.size())).value_or("");
    GODWIT_CO_TRY(co_await site_->Evict(name));
    co_return Ok(json::object{{"evicted", name}});
  }
  co_return Fail(Code::kNotFound, "{} '{}' is nothing here", request.method, request.path);
}

Answer<http::Response> SiteApi::List() {
  GODWIT_CO_TRY(const auto listed, co_await site_->List());
  json::array nodes;
  for (const auto& [member, alive] : listed) {
    nodes.push_back(json::object{{"name", member.name},
                                 {"address", member.address},
                                 {"alive", alive},
                                 {"self", member.name == site_->identity().name},
                                 {"godwit", member.version},
                                 {"joined_at", FormatRfc3339(member.joined)},
                                 {"fingerprint", member.fingerprint}});
  }
  co_return Ok(json::object{{"site", site_->identity().site},
                            {"node", site_->identity().name},
                            {"coordinator", Shown(site_->identity().coordinator)},
                            {"nodes", std::move(nodes)}});
}

Answer<http::Response> SiteApi::Token(const http::Request& request) {
  GODWIT_CO_TRY(const Nanos ttl, TtlOf(request));
  GODWIT_CO_TRY(const JoinToken token, co_await site_->MakeToken(ttl));
  co_return Ok(json::object{{"token", token.ToString()},
                            {"ends_at", FormatRfc3339(WallTime{std::chrono::seconds(token.ends)})},
                            {"address", site_->identity().address}});
}

}  // namespace godwit::sites
