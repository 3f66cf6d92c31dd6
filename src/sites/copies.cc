#include "sites/copies.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr int kSideBySide = 2;
constexpr Nanos kAskAgain = 2s;

}  // namespace

Copies::Copies(const Surroundings& around, functions::Travel& travel, int wanted)
    : around_(around), travel_(travel), wanted_(wanted), gate_(around.executor) {}

asio::awaitable<Result<int64_t>> Copies::Register(const InstanceId& id) {
  const functions::Instance* instance = travel_.Find(id);
  if (instance == nullptr) co_return Fail(Code::kNotFound, "instance '{}' has ended", id.text);
  if (instance->epoch() != 0) co_return instance->epoch();
  InstanceRecord record;
  record.id = id.text;
  record.owner = around_.node;
  record.function = instance->function().spec.name;
  record.revision = instance->function().revision_id;
  if (instance->call()) {
    record.call = instance->call()->invocation.id.text;
    record.home = instance->call()->invocation.home;
    if (record.home.empty()) record.home = around_.node;
  }
  GODWIT_CO_TRY(const InstanceRecord known, co_await around_.registry.Claim(std::move(record)));
  GODWIT_CO_TRY(co_await travel_.NoteEpoch(id, known.epoch));
  co_return known.epoch;
}

void Copies::WasPutAway(const InstanceId& id) {
  if (closing_ || wanted_ == 0) return;
  const functions::Instance* instance = travel_.Find(id);
  if (instance == nullptr || !instance->call()) return;
  std::erase(waiting_, id);
  waiting_.push_back(id);
  if (working_ < kSideBySide && gate_.Spawn(Work())) ++working_;
}

asio::awaitable<void> Copies::Work() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!waiting_.empty() && !closing_) {
    const InstanceId id = std::move(waiting_.front());
    waiting_.pop_front();
    const Result<> copied = co_await Copy(id);
    // One that is back already is copied when it is put away again.
    if (!copied && copied.error().code() != Code::kConflict &&
        copied.error().code() != Code::kNotFound)
      around_.log.Warning("no copy of '{}' is kept: {}", id.text, copied.error().ToString());
  }
  --working_;
}

// Those of the living that come first by a hash of both names: the same each time, and spread.
asio::awaitable<Result<std::vector<std::string>>> Copies::Choose(const std::string& instance) {
  GODWIT_CO_TRY(const auto alive, co_await around_.registry.Alive());
  std::vector<std::string> nodes;
  for (const std::string& node : alive) {
    if (node != around_.node) nodes.push_back(node);
  }
  std::ranges::sort(nodes, {}, [&](const std::string& node) { return Sha256(node + instance); });
  if (nodes.size() > static_cast<size_t>(wanted_)) nodes.resize(static_cast<size_t>(wanted_));
  co_return nodes;
}

asio::awaitable<Result<>> Copies::Copy(const InstanceId& id) {
  GODWIT_CO_TRY(const std::vector<std::string> nodes, co_await Choose(id.text));
  if (nodes.empty()) co_return Result<>{};
  GODWIT_CO_TRY(const int64_t epoch, co_await Register(id));
  GODWIT_CO_TRY(functions::Departure departure, co_await travel_.departures().Copy(id));
  GODWIT_CO_TRY(const auto known, co_await around_.registry.FindInstance(id.text));
  if (!known || known->epoch != epoch || known->owner != around_.node)
    co_return Fail(Code::kConflict, "it is not this node's any more");
  InstanceRecord record = *known;
  // From here on others may have one, whatever comes of it.
  copied_.insert(id.text);
  std::vector<std::string> have;
  Result<> last;
  for (const std::string& node : nodes) {
    Result<> sent = co_await SendTo(node, departure, epoch);
    if (sent) {
      have.push_back(node);
    } else {
      last = std::move(sent);
    }
  }
  if (have.empty()) co_return last;
  const functions::InstanceFacts& facts = departure.kept.facts;
  record.sequence = static_cast<int64_t>(facts.sequence);
  record.replicas = std::move(have);
  record.call = facts.call ? facts.call->id.text : "";
  record.home = facts.call && !facts.call->home.empty() ? facts.call->home : around_.node;
  // A call that has ended meanwhile has no use for them, whoever of the two is heard last.
  const auto still = [&] {
    const functions::Instance* now = travel_.Find(id);
    return now != nullptr && now->call() && facts.call &&
           now->call()->invocation.id == facts.call->id;
  };
  Result<> updated;
  if (still()) updated = co_await around_.registry.Update(std::move(record));
  if (!still()) {
    copied_.insert(id.text);
    CallEnded(id, epoch);
  }
  co_return updated;
}

asio::awaitable<Result<>> Copies::SendTo(const std::string& node, functions::Departure& departure,
                                         int64_t epoch) {
  Sender sender(around_.link, around_.pool, around_.clock, node);
  const functions::Function& function = *departure.kept.facts.function;
  Offer offer;
  offer.kind = Offer::Kind::kReplica;
  offer.arrival.instance = departure.id;
  offer.arrival.function = function;
  offer.epoch = epoch;
  offer.passport = around_.passport;
  GODWIT_CO_TRY(co_await sender.Offer(
      std::move(offer),
      [&]() -> asio::awaitable<Result<std::string>> { co_return co_await travel_.Zip(function); }));
  Result<> sent = co_await sender.SendPages(*departure.image);
  if (sent) sent = co_await sender.SendRest(*departure.image);
  if (!sent) {
    co_await sender.GiveUp();
    co_return sent;
  }
  GODWIT_CO_TRY(const functions::Luggage luggage, co_await travel_.departures().Pack(departure, 0));
  GODWIT_CO_TRY(co_await sender.Keep(luggage));
  co_return Result<>{};
}

void Copies::CallEnded(const InstanceId& id, int64_t epoch) {
  if (copied_.erase(id.text) == 0 || closing_) return;
  static_cast<void>(gate_.Spawn(NotWanted(id.text, epoch)));
}

asio::awaitable<void> Copies::NotWanted(std::string instance, int64_t epoch) {
  co_await asio::this_coro::throw_if_cancelled(false);
  bool said = false;
  while (!closing_) {
    auto known = co_await around_.registry.FindInstance(instance);
    Result<> told;
    if (!known) {
      told = std::unexpected(std::move(known).error());
    } else {
      if (!*known || (*known)->epoch != epoch || copied_.contains(instance)) co_return;
      InstanceRecord record = **known;
      record.replicas.clear();
      record.call.clear();
      record.home.clear();
      told = co_await around_.registry.Update(std::move(record));
    }
    if (told || told.error().code() == Code::kStale) co_return;
    if (!std::exchange(said, true))
      around_.log.Warning(
          "cannot tell the site that the copies of '{}' may go (it is tried on): {}", instance,
          told.error().ToString());
    co_await around_.Pause(kAskAgain);
  }
}

asio::awaitable<void> Copies::Close() {
  closing_ = true;
  co_await gate_.Drain();
}

}  // namespace godwit::sites
