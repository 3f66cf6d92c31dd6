#include "sites/failover.h"

#include <algorithm>

#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kAskAgain = 2s;
constexpr Nanos kBenefitOfDoubt = 20s;
constexpr int kSideBySide = 8;

}  // namespace

Failover::Failover(const Surroundings& around, functions::Travel& travel, HoldsLease holds_lease)
    : around_(around),
      travel_(travel),
      holds_lease_(std::move(holds_lease)),
      watches_(around.executor),
      gate_(around.executor) {}

void Failover::Start() {
  static_cast<void>(watches_.Spawn(
      around_.registry.WatchAlive({[this](const std::set<std::string>& all) {
                                     alive_ = all;
                                     known_ = true;
                                     LookAtAll();
                                   },
                                   [this](const std::string& name, bool alive) {
                                     if (alive) {
                                       alive_.insert(name);
                                     } else {
                                       alive_.erase(name);
                                       around_.log.Warning("the node '{}' is gone", name);
                                     }
                                     LookAtAll();
                                   }})));
  static_cast<void>(watches_.Spawn(around_.registry.WatchInstances(
      {[this](const std::vector<InstanceRecord>&) { LookAtAll(); },
       [this](const std::string& id, const std::optional<InstanceRecord>&) { Look(id); }})));
  static_cast<void>(watches_.Spawn(LookAgain()));
}

void Failover::Look(const std::string& instance) {
  to_look_at_.insert(instance);
  SendLookers();
}

void Failover::LookAtAll() {
  for (const functions::Replicas::View& copy : travel_.replicas().All())
    to_look_at_.insert(copy.id.text);
  SendLookers();
}

// Several at a time, each with its own questions to the registry.
void Failover::SendLookers() {
  if (closing_ || !known_) return;
  while (!to_look_at_.empty() && looking_ < kSideBySide) {
    ++looking_;
    if (gate_.Spawn(Looking())) continue;
    --looking_;
    return;
  }
}

asio::awaitable<void> Failover::Looking() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!to_look_at_.empty() && !closing_) {
    const std::string instance = std::move(to_look_at_.extract(to_look_at_.begin()).value());
    const auto id = InstanceId::Parse(instance);
    const auto copy = id ? travel_.replicas().Find(*id) : std::nullopt;
    if (copy && !co_await LookAt(*copy)) again_.insert(instance);
  }
  --looking_;
}

asio::awaitable<void> Failover::LookAgain() {
  while (!closing_) {
    co_await around_.Pause(kAskAgain);
    to_look_at_.merge(again_);
    again_.clear();
    SendLookers();
  }
}

// False: it is to be looked at again.
asio::awaitable<bool> Failover::LookAt(functions::Replicas::View copy) {
  const auto found = co_await around_.registry.FindInstance(copy.id.text);
  if (!found) co_return false;
  if (*found && (*found)->owner == around_.node) {
    // It was taken over, or has come, and this node may have ended before it was here.
    if (travel_.Find(copy.id) == nullptr) {
      const auto lives = co_await travel_.replicas().TakeOver(copy.id, (*found)->epoch);
      if (lives || lives.error().code() != Code::kConflict) co_return lives.has_value();
    }
    co_await travel_.replicas().Drop(copy.id);
    co_return true;
  }
  const bool wanted = *found && (*found)->call == copy.call && !copy.call.empty() &&
                      (*found)->sequence <= static_cast<int64_t>(copy.sequence);
  if (!wanted) {
    // Its owner may be about to write it down.
    const bool newer = *found && (*found)->sequence < static_cast<int64_t>(copy.sequence);
    if (newer && alive_.contains((*found)->owner)) {
      const SteadyTime now = around_.clock.Steady();
      const auto since = doubted_.try_emplace(copy.id.text, now).first->second;
      if (now - since < kBenefitOfDoubt) co_return false;
    }
    doubted_.erase(copy.id.text);
    co_await travel_.replicas().Drop(copy.id, copy.sequence);
    co_return true;
  }
  doubted_.erase(copy.id.text);
  if (alive_.contains((*found)->owner)) co_return true;
  co_return co_await Take(std::move(copy), **found);
}

asio::awaitable<bool> Failover::Take(functions::Replicas::View copy, InstanceRecord record) {
  const auto mine = std::ranges::find(record.replicas, around_.node);
  // Not the newest, or not safe when its owner was lost.
  if (mine == record.replicas.end() || record.sequence != static_cast<int64_t>(copy.sequence))
    co_return true;
  if (!holds_lease_()) co_return false;
  int before = 0;  // who come first and live
  for (auto one = record.replicas.begin(); one != mine; ++one)
    before += alive_.contains(*one) ? 1 : 0;
  if (before > 0) {
    co_await around_.Pause(kNextInLine * before);
    if (closing_) co_return true;
  }
  const auto taken =
      co_await around_.registry.TakeOver(record.id, record.owner, record.epoch, around_.node);
  if (!taken) co_return taken.error().code() == Code::kStale;
  const auto lives = co_await travel_.replicas().TakeOver(copy.id, taken->epoch);
  if (!lives) {
    around_.log.Error("cannot go on with '{}' of '{}': {}", record.id, record.owner,
                      lives.error().ToString());
    co_return true;
  }
  around_.log.Info("'{}' of '{}' goes on here", record.id, record.owner);
  co_return true;
}

asio::awaitable<void> Failover::Close() {
  closing_ = true;
  co_await watches_.Close();
  co_await gate_.Drain();
}

}  // namespace godwit::sites
