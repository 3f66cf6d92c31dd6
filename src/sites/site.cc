#include "sites/site.h"

#include <utility>

#include "base/try.h"
#include "sites/coordinators.h"

namespace godwit::sites {

namespace asio = boost::asio;

namespace {

constexpr size_t kStrangerBody = size_t{16} << 10;

}  // namespace

Result<std::unique_ptr<Site>> Site::Make(asio::any_io_executor executor, Identity identity,
                                         std::string data, Registry& registry, const Clock& clock,
                                         Entropy& entropy, std::string version, Log log) {
  http::TlsOptions options = identity.Tls();
  GODWIT_TRY(auto client_tls, http::TlsContext::Make(options));
  options.of_clients = http::ClientCertificate::kIfThere;
  GODWIT_TRY(auto server_tls, http::TlsContext::Make(options));
  return std::unique_ptr<Site>(
      new Site(std::move(executor), std::move(identity), std::move(data), registry, clock, entropy,
               std::move(version), std::move(log), std::move(server_tls), std::move(client_tls)));
}

Site::Site(asio::any_io_executor executor, Identity identity, std::string data, Registry& registry,
           const Clock& clock, Entropy& entropy, std::string version, Log log,
           http::TlsContext server_tls, http::TlsContext client_tls)
    : identity_(std::move(identity)),
      data_(std::move(data)),
      registry_(registry),
      clock_(clock),
      entropy_(entropy),
      version_(std::move(version)),
      log_(std::move(log)),
      server_tls_(std::move(server_tls)),
      members_(executor, registry),
      peers_(executor, members_, std::move(client_tls)) {}

Site::~Site() = default;

Result<> Site::Start() { return members_.Start(); }

Answer<> Site::Announce() {
  GODWIT_CO_TRY(auto own, co_await registry_.FindMember(identity_.name));
  if (!own || own->fingerprint != identity_.fingerprint()) {
    co_return Fail(Code::kDenied,
                   "node '{}' is no member of site '{}' any more: it was evicted (run `godwit site "
                   "leave`, then join with a new token)",
                   identity_.name, identity_.site);
  }
  if (own->address == identity_.address && own->version == version_) co_return Result<>();
  own->address = identity_.address;
  own->version = version_;
  co_return co_await registry_.UpdateMember(*std::move(own));
}

asio::awaitable<void> Site::Stop() {
  peers_.Close();
  co_await members_.Stop();
}

void Site::Serve(std::string prefix, Handler handler) {
  handlers_[std::move(prefix)] = std::move(handler);
}

http::Limits Site::PortLimits(size_t member_body_bytes) {
  http::Limits limits;
  limits.stranger_body_bytes = kStrangerBody;
  limits.body_bytes = [member_body_bytes](std::string_view, std::string_view path) {
    return path == kJoinPath ? kStrangerBody : member_body_bytes;
  };
  return limits;
}

asio::awaitable<http::Response> Site::Handle(http::Request request) {
  if (left_) co_return Refusal({Code::kClosing, "this node has left the site"});
  if (request.path == kJoinPath) {
    if (request.method != "POST") co_return Refusal({Code::kInvalid, "joining is a POST"});
    const std::string from = request.peer ? request.peer.name : "a newcomer";
    auto joined = co_await Join(std::move(request.body));
    if (joined) co_return http::Json(200, ToJson(*joined));
    log_.Warning("refused to let {} join: {}", from, joined.error().ToString());
    co_return Refusal(joined.error());
  }
  if (!request.peer)
    co_return Refusal({Code::kDenied, "who shows no certificate may join, and nothing else"});
  const std::string peer = request.peer.name;
  if (const auto admitted = co_await members_.Admit(request.peer); !admitted) {
    log_.Warning("refused '{}': {}", peer, admitted.error().ToString());
    co_return Refusal(admitted.error());
  }
  for (const auto& [prefix, handler] : handlers_) {
    if (request.path.starts_with(prefix)) co_return co_await handler(std::move(request), peer);
  }
  co_return Refusal({Code::kNotFound, "'" + request.path + "' is nothing here"});
}

Answer<std::vector<Site::Listed>> Site::List() {
  GODWIT_CO_TRY(const auto members, co_await registry_.Members());
  GODWIT_CO_TRY(const auto alive, co_await registry_.Alive());
  for (const Error& unreadable : members.unreadable) log_.Warning("{}", unreadable.ToString());
  std::vector<Listed> listed;
  for (const Member& member : members.all) listed.push_back({member, alive.contains(member.name)});
  co_return listed;
}

Answer<> Site::Evict(std::string name) {
  if (name == identity_.name) {
    co_return Fail(Code::kInvalid, "'{}' is this node itself (use `godwit site leave`)", name);
  }
  co_return co_await registry_.RemoveMember(std::move(name));
}

Answer<> Site::Leave() {
  if (left_) co_return Fail(Code::kConflict, "this node has left the site already");
  const auto removed = co_await registry_.RemoveMember(identity_.name);
  // Who was evicted leaves, too.
  if (!removed && removed.error().code() != Code::kNotFound) co_return removed;
  left_ = true;
  if (when_left_) when_left_();
  co_return DropIdentity(data_);
}

}  // namespace godwit::sites
