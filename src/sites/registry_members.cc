// Members and tokens: who belongs to the site, and who may come.
#include <utility>

#include "base/try.h"
#include "sites/registry.h"
#include "sites/registry_keys.h"

namespace godwit::sites {
namespace {

Result<> Check(const Member& member) {
  if (IsNodeName(member.name)) return {};
  return Fail(Code::kInvalid, "'{}' is no node's name (1 to 63 lower-case letters, digits and '-')",
              member.name);
}

std::unexpected<Error> NoToken() {
  return Fail(Code::kDenied,
              "the token is wrong, was used, or has ended (make a new one: godwit site token)");
}

}  // namespace

Answer<> Registry::AddMember(Member member) {
  GODWIT_CO_TRY(Check(member));
  const std::string key = Key(kMembers, member.name);
  const std::string text = ToJson(member);
  co_return co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (now) {
      GODWIT_TRY(const Member other, ReadMember(key, now->value));
      if (other.fingerprint != member.fingerprint)
        return Fail(Code::kConflict, "the name '{}' is taken by the node at '{}' (choose another)",
                    member.name, other.address);
      if (now->value == text) return Plan{.done = true};
    }
    return Plan{.changes = {{.key = key, .value = text}}};
  });
}

Answer<> Registry::UpdateMember(Member member) {
  GODWIT_CO_TRY(Check(member));
  const std::string key = Key(kMembers, member.name);
  const std::string text = ToJson(member);
  co_return co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Fail(Code::kStale, "'{}' is no member of this site any more", member.name);
    if (now->value == text) return Plan{.done = true};
    return Plan{.changes = {{.key = key, .value = text}}};
  });
}

Answer<> Registry::RemoveMember(std::string name) {
  const std::string key = Key(kMembers, name);
  co_return co_await Settle(key, [&](const auto& now, bool maybe) -> Result<Plan> {
    if (!now && maybe) return Plan{.done = true};
    if (!now) return Fail(Code::kNotFound, "'{}' is no member of this site", name);
    return Plan{.changes = {{.key = key}, {.key = Key(kAlive, name)}}};
  });
}

Answer<std::optional<Member>> Registry::FindMember(std::string name) {
  const std::string key = Key(kMembers, name);
  GODWIT_CO_TRY(const auto entry, co_await coordinator_.Get(key));
  if (!entry) co_return std::nullopt;
  co_return ReadMember(key, entry->value);
}

Answer<> Registry::PutToken(std::string hash, Nanos ttl) {
  const std::string key = Key(kTokens, hash);
  GODWIT_CO_TRY(const Lease lease, co_await coordinator_.GrantLease(ttl));
  const std::string text = ToJson(Token{.hash = hash, .lease = lease.id.number});
  co_return co_await Settle(key, [&](const auto& now, bool maybe) -> Result<Plan> {
    if (now && maybe) return Plan{.done = true};
    if (now) return Fail(Code::kConflict, "there is such a token (make another)");
    return Plan{.changes = {{.key = key, .value = text, .lease = lease.id}}};
  });
}

Answer<> Registry::TakeToken(std::string hash, std::string taker) {
  if (taker.empty()) co_return Fail(Code::kInvalid, "a token is taken by somebody");
  const std::string key = Key(kTokens, hash);
  Result<> taken = co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return NoToken();
    GODWIT_TRY(Token token, ReadToken(key, now->value));
    if (token.taker == taker) return Plan{.done = true};
    if (!token.taker.empty()) return NoToken();
    token.taker = taker;
    return Plan{.changes = {{.key = key, .value = ToJson(token), .lease = LeaseId{token.lease}}}};
  });
  // Its lease has ended in between.
  if (!taken && taken.error().code() == Code::kNotFound) co_return NoToken();
  co_return taken;
}

}  // namespace godwit::sites
