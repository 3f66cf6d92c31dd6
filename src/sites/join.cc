#include "sites/join.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "base/try.h"
#include "http/certificate.h"
#include "http/client.h"
#include "sites/coordinators.h"
#include "sites/join_token.h"
#include "sites/records.h"
#include "sites/registry.h"
#include "sites/site_wire.h"
#include "storage/lock.h"

namespace godwit::sites {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kPatience = 30s;

// A node that runs would not know that it is in a site now.
Result<storage::StoreLock> LockAlone(const std::string& data) {
  GODWIT_TRY(auto lock, storage::LockStore(data));
  if (HasSite(data)) {
    return Fail(Code::kConflict,
                "'{}' belongs to a site already (leave it first: godwit site leave)", data);
  }
  return lock;
}

Answer<> AddFirst(Coordinator& coordinator, const Identity& identity, std::string version,
                  WallTime now) {
  Registry registry(coordinator, identity.site, Log("site", LogLevel::kOff));
  const auto added = co_await registry.AddMember({.name = identity.name,
                                                  .address = identity.address,
                                                  .fingerprint = identity.fingerprint(),
                                                  .version = std::move(version),
                                                  .joined = now});
  co_await coordinator.Close();
  co_return added;
}

Result<> Announce(const Newcomer& node, const Identity& identity, const Clock& clock) {
  asio::io_context loop(1);
  GODWIT_TRY(const auto coordinator,
             OpenCoordinator(loop.get_executor(), identity.coordinator, identity, node.data, clock,
                             Log("site", LogLevel::kOff)));
  Result<> added;
  asio::co_spawn(loop, AddFirst(*coordinator, identity, node.version, clock.Wall()),
                 [&](std::exception_ptr escaped, Result<> outcome) {
                   if (escaped) std::rethrow_exception(escaped);
                   added = std::move(outcome);
                 });
  loop.run();
  return added;
}

}  // namespace

Result<Identity> InitSite(const Newcomer& node, const std::string& coordinator, Entropy& entropy,
                          const Clock& clock) {
  GODWIT_TRY(CheckCoordinator(coordinator));
  GODWIT_TRY(Identity made, MakeSite(node.name, node.address, coordinator, entropy, clock.Wall()));
  GODWIT_TRY(const auto lock, LockAlone(node.data));
  GODWIT_TRY(StoreIdentity(node.data, made));
  if (auto announced = Announce(node, made, clock); !announced) {
    static_cast<void>(DropIdentity(node.data));
    return std::unexpected(announced.error());
  }
  return made;
}

Result<Identity> JoinSite(const Newcomer& node, const std::string& text, const std::string& host) {
  GODWIT_TRY(const JoinToken token, JoinToken::Parse(text));
  GODWIT_TRY(CheckAddress(node.address));
  GODWIT_TRY(CheckAddress(host));
  if (!IsNodeName(node.name)) {
    return Fail(Code::kInvalid,
                "'{}' is no node's name (1 to 63 lower-case letters, digits and '-')", node.name);
  }
  GODWIT_TRY(const auto lock, LockAlone(node.data));
  Identity identity{.name = node.name, .address = node.address, .key = http::MakeKey()};
  GODWIT_TRY(std::string public_key, http::PublicKeyOf(identity.key));
  const JoinRequest wanted{text, node.name, node.address, std::move(public_key), node.version};
  http::ClientOptions options;
  options.way_out = "does a node of the site run there, and is this its site port?";
  GODWIT_TRY(options.tls, http::TlsContext::Make({}));
  options.expected.authority = token.authority;
  GODWIT_TRY(const auto response, http::FetchNow("https://" + host,
                                                 {.method = "POST",
                                                  .target = std::string(kJoinPath),
                                                  .headers = {{"Content-Type", "application/json"}},
                                                  .body = ToJson(wanted)},
                                                 kPatience, options));
  if (response.status != 200) return std::unexpected(ErrorIn(response));
  GODWIT_TRY(JoinAnswer answer, ReadJoinAnswer(response.body));
  identity.site = std::move(answer.site);
  identity.coordinator = std::move(answer.coordinator);
  identity.ca_certificate = std::move(answer.ca_certificate);
  identity.ca_key = std::move(answer.ca_key);
  identity.certificate = std::move(answer.certificate);
  identity.site_key = std::move(answer.site_key);
  if (identity.ca_fingerprint() != token.authority) {
    return Fail(Code::kDenied, "'{}' has sent another authority than the token's", host);
  }
  GODWIT_TRY(StoreIdentity(node.data, identity));
  return identity;
}

}  // namespace godwit::sites
