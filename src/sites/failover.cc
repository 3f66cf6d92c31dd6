#include "sites/failover.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kAskAgain = 2s;
constexpr Nanos kBenefitOfDoubt = 20s;
constexpr int kSideBySide = 8;

}  // namespace

Failover::Failover(Surroundings surroundings)
    : around_(std::move(surroundings)), watches_(around_.executor), gate_(around_.executor) {}

void Failover::Start() {
  static_cast<void>(watches_.Spawn(
      around_.registry.WatchAlive({[this](const std::set<std::string>& all) {
                                     alive_ = all;
                                     known_ = true;
                                     Look();
                                   },
                                   [this](const std::string& name, bool alive) {
                                     if (alive) {
                                       alive_.insert(name);
                                     } else {
                                       alive_.erase(name);
                                       around_.log.Warning("the node '{}' is gone", name);
                                     }
                                     Look();
                                   }})));
  static_cast<void>(watches_.Spawn(around_.registry.WatchInstances(
      {[this](const std::vector<InstanceRecord>&) { Look(); },
       [this](const std::string& id, const std::optional<InstanceRecord>&) {
         const auto parsed = InstanceId::Parse(id);
         if (parsed && around_.travel.replicas().Find(*parsed)) Look();
       }})));
}

void Failover::Look() {
  again_ = true;
  if (looking_ || closing_ || !known_) return;
  looking_ = true;
  if (!gate_.Spawn(LookAtAll())) looking_ = false;
}

asio::awaitable<void> Failover::LookAtAll() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (again_ && !closing_) {
    again_ = false;
    const std::vector<functions::Replicas::View> copies = around_.travel.replicas().All();
    bool all = true;
    size_t next = 0;
    // Several at a time, each with its own questions to the registry.
    const auto some = [&]() -> asio::awaitable<void> {
      while (next < copies.size() && !closing_) {
        const size_t mine = next++;
        const bool done = co_await LookAt(copies[mine]);
        all = all && done;
      }
    };
    Gate workers(around_.executor);
    for (int i = 0; i < kSideBySide; ++i) static_cast<void>(workers.Spawn(some()));
    co_await workers.Drain();
    if (all || closing_) continue;
    asio::steady_timer pause(around_.executor, kAskAgain);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    again_ = true;
  }
  looking_ = false;
}

// False: it is to be looked at again.
asio::awaitable<bool> Failover::LookAt(functions::Replicas::View copy) {
  const auto found = co_await around_.registry.FindInstance(copy.id.text);
  if (!found) co_return false;
  if (*found && (*found)->owner == around_.node) {
    // It was taken over, or has come, and this node may have ended before it was here.
    if (around_.travel.Find(copy.id) == nullptr) {
      const auto lives = co_await around_.travel.replicas().TakeOver(copy.id, (*found)->epoch);
      if (lives || lives.error().code() != Code::kConflict) co_return lives.has_value();
    }
    co_await around_.travel.replicas().Drop(copy.id);
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
    co_await around_.travel.replicas().Drop(copy.id);
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
  if (!around_.holds_lease()) co_return false;
  int before = 0;  // who come first and live
  for (auto one = record.replicas.begin(); one != mine; ++one)
    before += alive_.contains(*one) ? 1 : 0;
  if (before > 0) {
    asio::steady_timer pause(around_.executor, kNextInLine * before);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    if (closing_) co_return true;
  }
  const auto taken =
      co_await around_.registry.TakeOver(record.id, record.owner, record.epoch, around_.node);
  if (!taken) co_return taken.error().code() == Code::kStale;
  const auto lives = co_await around_.travel.replicas().TakeOver(copy.id, taken->epoch);
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
