#include "sites/migration.h"

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "sites/passport.h"

namespace godwit::sites {

namespace asio = boost::asio;
using functions::Journey;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kAskAgain = 1s;

// Whether the other node has said no, so that it does not have the instance, for certain.
bool IsRefusal(const Error& error) {
  return error.code() != Code::kUnavailable && error.code() != Code::kTimeout &&
         error.code() != Code::kClosing && error.code() != Code::kCorrupt;
}

}  // namespace

struct Migrations::Way {
  InstanceId id;
  int64_t epoch = 0;
  Sender sender;
  Journey journey;
};

Migrations::Migrations(const Surroundings& around, functions::Travel& travel, MakeKnown make_known)
    : around_(around), travel_(travel), make_known_(std::move(make_known)) {}

asio::awaitable<Result<Journey>> Migrations::Migrate(InstanceId id, std::string to,
                                                     std::string mode) {
  if (closing_) co_return Fail(Code::kClosing, "the node is shutting down");
  if (mode != "auto" && mode != "stop")
    co_return Fail(Code::kUnsupported, "there is no mode '{}' (use auto or stop)", mode);
  if (to == around_.node)
    co_return Fail(Code::kInvalid, "instance '{}' is on '{}' already", id.text, to);
  if (!under_way_.insert(id.text).second)
    co_return Fail(Code::kBusy, "instance '{}' is on its way already", id.text);
  const ScopeExit done([&] { under_way_.erase(id.text); });
  const SteadyTime begun = around_.clock.Steady();
  Way way{id, 0, Sender(around_.link, around_.pool, around_.clock, to), {}};
  way.journey.from = around_.node;
  way.journey.to = to;
  way.journey.mode = "stop";
  if (Result<> ready = co_await Prepare(way); !ready) {
    co_await way.sender.GiveUp();
    Error why = std::move(ready).error();
    why.Within(fmt::format("cannot send '{}' to '{}'", id.text, to));
    co_return std::unexpected(std::move(why));
  }
  auto departure = co_await travel_.departures().Begin(id, to);
  if (!departure) {
    co_await way.sender.GiveUp();
    co_return std::unexpected(std::move(departure).error());
  }
  way.journey.ran = departure->ran;
  Result<> sent = co_await Send(way, *departure);
  bool there = sent.has_value();
  if (!sent && !IsRefusal(sent.error())) {
    GODWIT_CO_TRY(there, co_await IsThere(way));
  }
  if (there) {
    const SteadyTime now = around_.clock.Steady();
    if (departure->ran) way.journey.downtime = now - departure->stood_still;
    GODWIT_CO_TRY(co_await travel_.departures().Leave(*std::move(departure), to));
    way.journey.total = now - begun;
    const Traffic& traffic = way.sender.traffic();
    way.journey.bytes = traffic.bytes;
    way.journey.pages = traffic.pages;
    way.journey.pages_sent = traffic.pages_sent;
    way.journey.rounds = traffic.rounds;
    co_return way.journey;
  }
  co_await travel_.departures().Stay(*std::move(departure), sent.error().reason());
  co_await way.sender.GiveUp();
  Error why = std::move(sent).error();
  why.Within(fmt::format("cannot send '{}' to '{}', it goes on here", id.text, to));
  co_return std::unexpected(std::move(why));
}

// Nothing stops yet.
asio::awaitable<Result<>> Migrations::Prepare(Way& way) {
  GODWIT_CO_TRY(const functions::Instance* instance, travel_.departures().Check(way.id));
  const functions::Function function = instance->function();
  const uint64_t memory = instance->View().memory_bytes;
  const std::vector<int> pids = instance->Pids();
  GODWIT_CO_TRY(const auto alive, co_await around_.registry.Alive());
  if (!alive.contains(way.sender.node())) {
    GODWIT_CO_TRY(const auto member, co_await around_.registry.FindMember(way.sender.node()));
    if (!member) {
      co_return Fail(Code::kNotFound, "the site has no node '{}' (see `godwit site list`)",
                     way.sender.node());
    }
    co_return Fail(Code::kUnavailable, "the node '{}' is not there (see `godwit site list`)",
                   way.sender.node());
  }
  GODWIT_CO_TRY(way.epoch, co_await make_known_(way.id));
  Offer offer;
  offer.arrival = {way.id, function, "", memory};
  offer.epoch = way.epoch;
  offer.passport = around_.passport + co_await Offload(around_.pool, [&] { return FilesOf(pids); });
  GODWIT_CO_TRY(co_await way.sender.Offer(
      std::move(offer),
      [&]() -> asio::awaitable<Result<std::string>> { co_return co_await travel_.Zip(function); }));
  for (const auto& image : co_await travel_.departures().Forerunners(way.id))
    GODWIT_CO_TRY(co_await way.sender.SendPages(*image));
  co_return Result<>{};
}

asio::awaitable<Result<>> Migrations::Send(Way& way, functions::Departure& departure) {
  GODWIT_CO_TRY(co_await way.sender.SendPages(*departure.image));
  GODWIT_CO_TRY(co_await way.sender.SendRest(*departure.image));
  GODWIT_FAULT(kImageSent);
  GODWIT_CO_TRY(const functions::Luggage luggage,
                co_await travel_.departures().Pack(departure, way.epoch));
  GODWIT_CO_TRY(co_await way.sender.Keep(luggage));
  co_return Result<>{};
}

asio::awaitable<Result<bool>> Migrations::IsThere(const Way& way) {
  while (true) {
    const auto found = co_await around_.registry.FindInstance(way.id.text);
    if (found && *found && (*found)->owner != around_.node) co_return true;
    if (found && *found) {
      // Nobody can act on the old epoch any more.
      const auto renewed = co_await around_.registry.Renew(way.id.text, around_.node, way.epoch);
      if (renewed) {
        GODWIT_CO_TRY(co_await travel_.NoteEpoch(way.id, renewed->epoch));
        co_return false;
      }
    }
    if (found && !*found) co_return false;
    co_await around_.Pause(kAskAgain);
    if (closing_) {
      co_return Fail(Code::kClosing,
                     "the node is shutting down; where '{}' lives is found out at the next start",
                     way.id.text);
    }
  }
}

}  // namespace godwit::sites
