#include "sites/presence.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/try.h"
#include "sites/registry_keys.h"

namespace godwit::sites {

namespace asio = boost::asio;

namespace {

constexpr Nanos kPause = std::chrono::seconds(1);  // between tries to get a lease

}  // namespace

Presence::Presence(asio::any_io_executor executor, Registry& registry, const Clock& clock, Log log,
                   Identity identity, Hooks hooks, Nanos ttl)
    : registry_(registry),
      clock_(clock),
      log_(std::move(log)),
      identity_(std::move(identity)),
      hooks_(std::move(hooks)),
      ttl_(ttl),
      key_(KeyOf(registry.site(), kAlive, identity_.name)),
      beat_(executor),
      end_(executor, asio::steady_timer::time_point::max()),
      gate_(executor) {}

Result<> Presence::Start() {
  GODWIT_TRY(gate_.Spawn(Watch()));
  return gate_.Spawn(Run());
}

bool Presence::held() const { return clock_.Steady() < until_; }

asio::awaitable<void> Presence::Leave() {
  co_await Stop();
  if (lease_.number == 0) co_return;
  const Result<> left = co_await registry_.coordinator().RevokeLease(std::exchange(lease_, {}));
  if (!left) log_.Warning("cannot leave the site's lease: {}", left.error().ToString());
}

asio::awaitable<void> Presence::Stop() {
  co_await gate_.Close();
  until_ = {};
}

asio::awaitable<void> Presence::Run() {
  while (true) {
    const bool was_held = held();
    // Before it is taken anew: somebody may have acted on its end.
    if (!was_held) Lose("its time is over, and no answer has come");
    Result<> outcome = was_held ? co_await Beat() : co_await Take();
    if (!outcome && outcome.error().code() == Code::kNotFound && told_held_) {
      // The coordinator says that it is over: so it is, whatever our clock says.
      Lose(outcome.error().ToString());
      outcome = co_await Take();
    }
    if (outcome) {
      complained_ = false;
    } else if (outcome.error().code() == Code::kClosing) {
      co_return;
    } else if (!std::exchange(complained_, true)) {
      log_.Warning("cannot hold the lease of '{}': {}", identity_.name, outcome.error().ToString());
    }
    if (held() && !std::exchange(told_held_, true)) {
      log_.Info("'{}' holds its lease", identity_.name);
      end_.cancel();
      hooks_.back();
    }
    beat_.expires_after(outcome && held() ? ttl_ / 3 : std::min(ttl_ / 6, kPause));
    co_await beat_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

// Tells in time, whatever Run() waits for.
asio::awaitable<void> Presence::Watch() {
  while (true) {
    const SteadyTime now = clock_.Steady();
    if (told_held_ && until_ <= now) Lose("its time is over, and no answer has come");
    if (told_held_) {
      end_.expires_after(until_ - now);
    } else {
      end_.expires_at(asio::steady_timer::time_point::max());
    }
    co_await end_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void Presence::Lose(const std::string& why) {
  until_ = {};
  if (!std::exchange(told_held_, false)) return;
  log_.Warning("'{}' has lost its lease: {}", identity_.name, why);
  hooks_.lost();
}

void Presence::Hold(LeaseId lease, SteadyTime since, Nanos ttl) {
  lease_ = lease;
  until_ = since + ttl - ttl / 100;
  end_.cancel();
}

Answer<> Presence::Take() {
  Coordinator& coordinator = registry_.coordinator();
  const std::string member_key = KeyOf(registry_.site(), kMembers, identity_.name);
  GODWIT_CO_TRY(const auto member, co_await coordinator.Get(member_key));
  if (!member) {
    co_return Fail(Code::kDenied, "it is no member of this site (godwit site join makes it one)");
  }
  GODWIT_CO_TRY(const auto there, co_await coordinator.Get(key_));
  if (there) {
    GODWIT_CO_TRY(const Living living, ReadLiving(key_, there->value));
    if (living.holder != identity_.holder) {
      co_return Fail(Code::kConflict,
                     "another run of that name lives: {} (stop it, or wait until its lease ends)",
                     living.holder);
    }
  }
  const SteadyTime since = clock_.Steady();
  GODWIT_CO_TRY(const Lease lease, co_await coordinator.GrantLease(ttl_));
  const std::string text = ToJson(Living{identity_.name, identity_.holder});
  std::vector<Compare> compares = {{.key = member_key, .revision = member->revision},
                                   {.key = key_, .revision = there ? there->revision : 0}};
  GODWIT_CO_TRY(const bool done, co_await coordinator.Commit(
                                     compares, {{.key = key_, .value = text, .lease = lease.id}}));
  if (!done) {
    static_cast<void>(co_await coordinator.RevokeLease(lease.id));
    co_return Fail(Code::kBusy, "it has changed meanwhile");
  }
  Hold(lease.id, since, lease.ttl);
  co_return Result<>();
}

Answer<> Presence::Beat() {
  Coordinator& coordinator = registry_.coordinator();
  const LeaseId lease = lease_;
  const SteadyTime since = clock_.Steady();
  GODWIT_CO_TRY(const Nanos ttl, co_await coordinator.KeepAlive(lease));
  // The lease holds; that it still holds the key is to be seen: this node may be evicted.
  GODWIT_CO_TRY(const auto there, co_await coordinator.Get(key_));
  if (!there) co_return Fail(Code::kNotFound, "'{}' is gone from the registry", key_);
  GODWIT_CO_TRY(const Living living, ReadLiving(key_, there->value));
  if (living.holder != identity_.holder)
    co_return Fail(Code::kNotFound, "its name is held by another run: {}", living.holder);
  // Whoever was told 'lost' meanwhile takes it anew.
  if (told_held_) Hold(lease, since, ttl);
  co_return Result<>();
}

}  // namespace godwit::sites
