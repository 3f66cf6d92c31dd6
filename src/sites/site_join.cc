// How a site lets one more node in.
#include <utility>

#include "base/try.h"
#include "http/certificate.h"
#include "sites/coordinators.h"
#include "sites/registry_keys.h"
#include "sites/site.h"

namespace godwit::sites {
namespace {

std::string ToText(int64_t seconds) {
  return http::ToText(std::chrono::sys_seconds(std::chrono::seconds(seconds)));
}

}  // namespace

Answer<JoinToken> Site::MakeToken(Nanos ttl) {
  if (IsLone(identity_.coordinator)) {
    co_return Fail(Code::kUnsupported,
                   "site '{}' has no coordinator that others can reach (leave it and make one with "
                   "`godwit site init --coordinator etcd://HOST:PORT`)",
                   identity_.site);
  }
  JoinToken token = JoinToken::Make(identity_.ca_fingerprint(), entropy_, clock_.Wall() + ttl);
  GODWIT_CO_TRY(co_await registry_.PutToken(token.Hash(), ttl));
  co_return token;
}

// The name is looked at before the token is taken, so that a name that is taken costs none.
Answer<JoinAnswer> Site::Join(std::string body) {
  GODWIT_CO_TRY(const JoinRequest request, ReadJoinRequest(body));
  GODWIT_CO_TRY(const JoinToken token, JoinToken::Parse(request.token));
  if (token.authority != identity_.ca_fingerprint())
    co_return Fail(Code::kDenied, "the token is of another site");
  if (IsLone(identity_.coordinator)) {
    co_return Fail(Code::kUnsupported,
                   "site '{}' has no coordinator that others can reach (make one with `godwit site "
                   "init --coordinator etcd://HOST:PORT`)",
                   identity_.site);
  }
  GODWIT_CO_TRY(CheckAddress(request.address));
  GODWIT_CO_TRY(std::string certificate,
                CertifyNode(identity_, request.name, request.public_key, clock_.Wall()));
  GODWIT_CO_TRY(const auto other, co_await registry_.FindMember(request.name));
  if (other) {
    co_return Fail(Code::kConflict,
                   "the name '{}' is taken by the node at '{}' (choose another with --name, or "
                   "evict that one)",
                   request.name, other->address);
  }
  GODWIT_CO_TRY(const auto said, http::Certificate::Parse(certificate));
  GODWIT_CO_TRY(co_await Take(token, said.fingerprint));
  GODWIT_CO_TRY(co_await registry_.AddMember({.name = request.name,
                                              .address = request.address,
                                              .fingerprint = said.fingerprint,
                                              .version = request.version,
                                              .joined = clock_.Wall()}));
  log_.Info("node '{}' at '{}' has joined", request.name, request.address);
  co_return JoinAnswer{.site = identity_.site,
                       .coordinator = identity_.coordinator,
                       .ca_certificate = identity_.ca_certificate,
                       .ca_key = identity_.ca_key,
                       .certificate = std::move(certificate),
                       .site_key = identity_.site_key};
}

// The registry says only whether it may be taken. Who holds the secret is told more, for a person
// has to know what to do. When a token ends its lease decides: clocks of nodes may differ.
Answer<> Site::Take(const JoinToken& token, const std::string& taker) {
  const auto taken = co_await registry_.TakeToken(token.Hash(), taker);
  if (taken || taken.error().code() != Code::kDenied) co_return taken;
  constexpr std::string_view kWayOut = "make another: godwit site token";
  const auto there =
      co_await registry_.coordinator().Get(KeyOf(registry_.site(), kTokens, token.Hash()));
  if (there && *there) co_return Fail(Code::kDenied, "the token has been used ({})", kWayOut);
  if (clock_.Wall() >= WallTime{std::chrono::seconds(token.ends)}) {
    co_return Fail(Code::kDenied, "the token has ended at {} ({})", ToText(token.ends), kWayOut);
  }
  co_return Fail(Code::kDenied,
                 "the token is wrong, or has ended: this site knows no such one ({})", kWayOut);
}

}  // namespace godwit::sites
