#include "sites/etcd_link.h"

#include <utility>

#include "base/scope.h"
#include "base/try.h"
#include "http/url.h"
#include "sites/etcd_lines.h"

namespace godwit::sites::etcd {

namespace asio = boost::asio;

namespace {

constexpr size_t kMaxIdle = 8;
constexpr size_t kMaxAnswer = size_t{64} << 20;
constexpr size_t kMaxLine = size_t{16} << 20;
constexpr std::string_view kWayOut =
    "is etcd running there? --coordinator names another one, or several";

// gRPC's numbers.
enum : int {
  kUnknown = 2,
  kArgument = 3,
  kDeadline = 4,
  kMissing = 5,
  kPermission = 7,
  kExhausted = 8,
  kRange = 11,
  kAway = 14,
  kUnauthenticated = 16
};

bool IsAway(Code code) { return code == Code::kUnavailable || code == Code::kTimeout; }

// etcd says it in several ways, by when and how the token went.
bool IsOfToken(const Refusal& refusal) {
  return refusal.code == kUnauthenticated || refusal.text.contains("user name is empty") ||
         refusal.text.contains("revision of auth store is old") ||
         refusal.text.contains("revision in header is old");
}

Code CodeOf(const Refusal& refusal) {
  switch (refusal.code) {
    case kArgument:
      if (refusal.text.contains("too large")) return Code::kTooLarge;
      if (refusal.text.contains("authentication failed")) return Code::kDenied;
      return Code::kInvalid;
    case kMissing:
      return Code::kNotFound;
    case kPermission:
    case kUnauthenticated:
      return Code::kDenied;
    case kExhausted:
      return refusal.text.contains("space exceeded") ? Code::kNoSpace : Code::kUnavailable;
    case kRange:
      return Code::kStale;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

Link::Link(asio::any_io_executor executor, EtcdOptions options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      idle_(options_.endpoints.size()) {
  options_.http.body_bytes = kMaxAnswer;
}

Answer<std::string> Link::Ask(std::string path, std::string body) {
  co_return co_await AskAny(path, body, false);
}

Answer<std::string> Link::AskOnce(std::string path, std::string body) {
  co_return co_await AskAny(path, body, true);
}

Answer<std::string> Link::AskAny(const std::string& path, const std::string& body, bool once) {
  std::string reasons;
  for (size_t tries = 0; tries < options_.endpoints.size(); ++tries) {
    if (closed_) co_return Fail(Code::kClosing, "the coordinator is closed");
    const size_t endpoint = preferred_;
    bool sent = false;
    Result<std::string> answer = co_await AskAt(endpoint, path, body, once, sent);
    if (answer || !IsAway(answer.error().code())) co_return answer;
    reasons += (reasons.empty() ? "" : "; ") + answer.error().reason();
    Leave(endpoint);
    if (once && sent) break;
  }
  co_return Away(reasons);
}

// `prove`: nothing is sent before the connection has answered something harmless.
Answer<std::string> Link::AskAt(size_t endpoint, const std::string& path, const std::string& body,
                                bool prove, bool& sent) {
  Connection connection = Borrow(endpoint);
  http::Client& client = *connection.client;
  asking_.insert(&client);
  const ScopeExit asked([&] { asking_.erase(&client); });
  if (prove && !connection.proven) {
    const auto proof = co_await Send(client, "/v3/kv/range", RangeRequest("/godwit", {}, 1, 0));
    // One that may not read this is there, too.
    if (!proof && proof.error().code() != Code::kDenied) co_return proof;
  }
  sent = true;
  Result<std::string> answer = co_await Send(client, path, body);
  if (answer) {
    connection.proven = true;
    GiveBack(endpoint, std::move(connection));
  }
  co_return answer;
}

Answer<std::string> Link::Send(http::Client& client, const std::string& path,
                               const std::string& body) {
  for (bool again = false;; again = true) {
    if (token_.empty() && !options_.user.empty()) GODWIT_CO_TRY(co_await Authenticate(client));
    GODWIT_CO_TRY(http::Response response,
                  co_await client.Fetch(Post(path, body), options_.patience));
    if (response.status == 200) co_return std::move(response.body);
    const Refusal refusal = ReadRefusal(response.status, response.body);
    Error error = Refused(refusal);
    if (again || options_.user.empty() || !IsOfToken(refusal)) {
      co_return std::unexpected(std::move(error));
    }
  }
}

Answer<> Link::Authenticate(http::Client& client) {
  http::Request request =
      Post("/v3/auth/authenticate", AuthRequest(options_.user, options_.password));
  GODWIT_CO_TRY(const http::Response response, co_await client.Fetch(request, options_.patience));
  if (response.status != 200)
    co_return std::unexpected(Refused(ReadRefusal(response.status, response.body)));
  GODWIT_CO_TRY(token_, ReadToken(response.body));
  co_return Result<>();
}

Answer<> Link::Follow(std::string path, std::string body, Take take) {
  if (closed_) co_return Fail(Code::kClosing, "the coordinator is closed");
  const size_t endpoint = preferred_;
  http::Client client(executor_, options_.endpoints[endpoint], HttpOf(endpoint));
  following_[&client] = endpoint;
  const ScopeExit followed([&] { following_.erase(&client); });
  if (token_.empty() && !options_.user.empty()) {
    const Result<> authenticated = co_await Authenticate(client);
    if (!authenticated) {
      if (IsAway(authenticated.error().code())) Leave(endpoint);
      co_return authenticated;
    }
  }
  Lines lines(kMaxLine);
  std::string refusal;
  http::Request request = Post(std::move(path), std::move(body));
  // So that an endpoint that has lost the others says so.
  request.headers.push_back({"Grpc-Metadata-hasleader", "true"});
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): outlives what it returns.
  http::Client::Sink sink = [&](const http::Response& head,
                                std::string_view piece) -> asio::awaitable<Result<>> {
    if (head.status != 200) {
      refusal.append(piece.substr(0, kMaxIdle * 1024 - std::min(refusal.size(), kMaxIdle * 1024)));
      co_return Result<>();
    }
    GODWIT_CO_TRY(const auto whole, lines.Feed(piece));
    for (const auto& line : whole) GODWIT_CO_TRY(take(line));
    co_return Result<>();
  };
  const auto response = co_await client.FetchStream(std::move(request), sink, options_.watch_turn);
  if (closed_) co_return Fail(Code::kClosing, "the coordinator is closed");
  if (response && response->status != 200)
    co_return std::unexpected(Refused(ReadRefusal(response->status, refusal)));
  if (response) {
    Leave(endpoint);
    co_return Fail(Code::kUnavailable, "'{}' has ended a watch", options_.endpoints[endpoint]);
  }
  const Code code = response.error().code();
  if (code == Code::kTimeout || following_[&client] != endpoint) co_return Result<>();
  if (code == Code::kUnavailable) Leave(endpoint);
  co_return std::unexpected(response.error());
}

Error Link::Refused(const Refusal& refusal) {
  if (IsOfToken(refusal)) token_.clear();
  const Code code = IsOfToken(refusal) ? Code::kDenied : CodeOf(refusal);
  if (code != Code::kDenied) return {code, fmt::format("etcd: {}", refusal.text)};
  return {code, fmt::format(
                    "etcd refuses: {} (--coordinator etcd://USER:PASSWORD@HOST:PORT says who asks)",
                    refusal.text)};
}

void Link::Close() {
  closed_ = true;
  for (auto* client : asking_) client->Cancel();
  for (const auto& [client, endpoint] : following_) client->Cancel();
}

http::ClientOptions Link::HttpOf(size_t endpoint) const {
  http::ClientOptions options = options_.http;
  const auto url = http::Url::Parse(options_.endpoints[endpoint]);
  const bool expects = !options.expected.host.empty() || !options.expected.name.empty();
  if (url && url->tls && !expects) options.expected.host = url->host;
  return options;
}

Link::Connection Link::Borrow(size_t endpoint) {
  if (idle_[endpoint].empty()) {
    return {
        std::make_unique<http::Client>(executor_, options_.endpoints[endpoint], HttpOf(endpoint))};
  }
  Connection connection = std::move(idle_[endpoint].back());
  idle_[endpoint].pop_back();
  return connection;
}

void Link::GiveBack(size_t endpoint, Connection connection) {
  if (idle_[endpoint].size() < kMaxIdle) idle_[endpoint].push_back(std::move(connection));
}

void Link::Leave(size_t endpoint) {
  // What is idle is as old as what failed.
  idle_[endpoint].clear();
  if (preferred_ == endpoint) preferred_ = (endpoint + 1) % options_.endpoints.size();
  for (auto& [client, at] : following_) {
    if (at != endpoint) continue;
    at = options_.endpoints.size();  // of none
    client->Cancel();
  }
}

http::Request Link::Post(std::string path, std::string body) const {
  http::Request request{.method = "POST", .target = std::move(path), .body = std::move(body)};
  request.headers.push_back({"Content-Type", "application/json"});
  if (!token_.empty()) request.headers.push_back({"Authorization", token_});
  return request;
}

std::unexpected<Error> Link::Away(const std::string& reasons) const {
  return Fail(Code::kUnavailable, "cannot ask the coordinator: {} ({})", reasons, kWayOut);
}

}  // namespace godwit::sites::etcd
