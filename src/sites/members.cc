#include "sites/members.h"

#include <utility>

#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;

Members::Members(asio::any_io_executor executor, Registry& registry)
    : registry_(registry), gate_(std::move(executor)) {}

Result<> Members::Start() { return gate_.Spawn(Watch()); }

asio::awaitable<void> Members::Stop() { co_await gate_.Close(); }

asio::awaitable<void> Members::Watch() {
  co_await registry_.WatchMembers(
      {.all =
           [this](const std::vector<Member>& all) {
             known_.clear();
             for (const Member& member : all) known_[member.name] = member;
           },
       .changed =
           [this](const std::string& name, const std::optional<Member>& now) {
             if (now) {
               known_[name] = *now;
             } else {
               known_.erase(name);
             }
           }});
}

Answer<Member> Members::Find(std::string name) {
  if (const auto known = known_.find(name); known != known_.end()) co_return known->second;
  GODWIT_CO_TRY(const auto member, co_await registry_.FindMember(name));
  if (member) co_return *member;
  co_return Fail(Code::kNotFound, "'{}' is no member of this site: it was evicted, or has left",
                 name);
}

Answer<> Members::Admit(http::Identity peer) {
  const auto member = co_await Find(peer.name);
  if (!member && member.error().code() != Code::kNotFound)
    co_return std::unexpected(member.error());
  if (!member) co_return Fail(Code::kDenied, "{}", member.error().reason());
  if (member->fingerprint != peer.fingerprint) {
    co_return Fail(Code::kDenied, "'{}' shows another certificate than the member of that name has",
                   peer.name);
  }
  co_return Result<>();
}

}  // namespace godwit::sites
