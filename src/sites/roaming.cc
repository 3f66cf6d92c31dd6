#include "sites/roaming.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;
namespace json = boost::json;
using functions::ForeignResult;
using functions::Travel;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kAskAgain = 1s;
constexpr Nanos kPatience = 10s;  // for one answer
constexpr Nanos kTick = 5s;

http::Request Post(std::string path, const json::object& body) {
  return {.method = "POST",
          .target = std::move(path),
          .headers = {{"Content-Type", "application/json"}},
          .body = json::serialize(body)};
}

std::string Text(const json::value& value, std::string_view key) {
  const json::value* found = value.is_object() ? value.get_object().if_contains(key) : nullptr;
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

}  // namespace

Roaming::Roaming(Surroundings surroundings, Options options)
    : around_(std::move(surroundings)),
      options_(std::move(options)),
      presence_(around_.executor, around_.registry, around_.clock, around_.log,
                {around_.node, options_.holder}, {[this] { Lost(); }, [this] { Back(); }},
                options_.lease),
      gate_(around_.executor) {}

Roaming::~Roaming() = default;

void Roaming::Start(functions::Platform& platform, Travel& travel, Api api) {
  platform_ = &platform;
  travel_ = &travel;
  api_ = std::move(api);
  copies_ = std::make_unique<Copies>(around_, travel, options_.copies);
  migrations_ = std::make_unique<Migrations>(
      around_, travel, [this](const InstanceId& id) { return copies_->Register(id); });
  failover_ = std::make_unique<Failover>(around_, travel, [this] { return presence_.held(); });
  host_ = std::make_unique<Host>(around_, travel,
                                 [this](const std::string& id) { failover_->Look(id); });
  failover_->Start();
  static_cast<void>(gate_.Spawn(Ticking()));
  HasResults();
}

asio::awaitable<void> Roaming::Ticking() {
  while (!closing_) {
    co_await around_.Pause(kTick);
    if (!closing_) host_->Tick();
  }
}

size_t Roaming::BodyLimit(std::string_view path) {
  return path == "/site/v1/arrivals" ? kMostBody : 2 * kPiece;
}

asio::awaitable<http::Response> Roaming::Handle(http::Request request, std::string from) {
  if (closing_ || host_ == nullptr)
    co_return Refusal({Code::kClosing, "the node is starting, or shutting down"});
  if (Host::Serves(request.path)) co_return co_await host_->Handle(std::move(request), from);
  Result<http::Response> answer = Fail(Code::kNotFound, "there is nothing at '{}'", request.path);
  if (request.method == "POST" && request.path == "/site/v1/results") {
    answer = co_await TakeResult(std::move(request.body), from);
  } else if (request.method == "POST" && request.path == "/site/v1/callbacks") {
    answer = co_await TakeCallback(std::move(request.body));
  } else if (request.method == "GET" && request.path == "/site/v1/look") {
    const std::string path = request.Param("at").value_or("");
    if (!path.starts_with("/godwit/v1/"))
      co_return Refusal({Code::kInvalid, "'" + path + "' is not for looking at"});
    http::Request look{.method = "GET", .target = path};
    look.path = path.substr(0, path.find('?'));
    if (path.contains('?')) look.query = path.substr(path.find('?') + 1);
    co_return co_await api_(std::move(look));
  }
  if (answer) co_return *std::move(answer);
  co_return Refusal(answer.error());
}

void Roaming::Stopping() {
  closing_ = true;
  if (migrations_) migrations_->Close();
}

asio::awaitable<void> Roaming::Close() {
  Stopping();
  if (failover_) co_await failover_->Close();
  if (copies_) co_await copies_->Close();
  if (host_) co_await host_->Close();
  co_await gate_.Close();
  co_await presence_.Stop();
}

asio::awaitable<Result<functions::Journey>> Roaming::Migrate(InstanceId instance, std::string to,
                                                             std::string mode) {
  if (!presence_.held()) {
    co_return Fail(Code::kUnavailable,
                   "this node has lost touch with its site's coordinator (see the log)");
  }
  GODWIT_CO_TRY(functions::Journey journey,
                co_await migrations_->Migrate(std::move(instance), std::move(to), std::move(mode)));
  co_return journey;
}

asio::awaitable<std::vector<std::pair<std::string, Result<std::string>>>> Roaming::AskAll(
    std::string path) {
  std::vector<std::pair<std::string, Result<std::string>>> answers;
  const auto alive = co_await around_.registry.Alive();
  if (!alive) {
    answers.emplace_back(around_.node, std::unexpected(alive.error()));
    co_return answers;
  }
  for (const std::string& node : *alive) {
    if (node == around_.node) continue;
    answers.emplace_back(
        node,
        BodyOf(node,
               co_await around_.link.Fetch(
                   node, {.method = "GET", .target = "/site/v1/look?at=" + PercentEncode(path)},
                   kPatience)));
  }
  co_return answers;
}

asio::awaitable<Result<uint32_t>> Roaming::Deliver(std::string node, InstanceId instance,
                                                   functions::Callback callback) {
  const json::object body{{"call", callback.call.text},
                          {"key", ToBase64(callback.key)},
                          {"payload", ToBase64(callback.payload)}};
  for (int tries = 0;; ++tries) {
    auto answer = node.empty()
                      ? Result<std::string>(Fail(Code::kNotFound, "nobody has it"))
                      : BodyOf(node, co_await around_.link.Fetch(
                                         node, Post("/site/v1/callbacks", body), kPatience));
    if (!answer && answer.error().code() == Code::kNotFound && tries < 3) {
      // It has moved on.
      GODWIT_CO_TRY(const auto found, co_await around_.registry.FindInstance(instance.text));
      if (!found) co_return std::unexpected(std::move(answer).error());
      if (found->owner == node) co_await around_.Pause(kAskAgain);  // and is not settled there yet
      node = found->owner;
      travel_->CallMoved(callback.call, node);
      continue;
    }
    if (!answer) co_return std::unexpected(std::move(answer).error());
    boost::system::error_code wrong;
    const json::value value = json::parse(*answer, wrong);
    const json::value* number =
        !wrong && value.is_object() ? value.get_object().if_contains("number") : nullptr;
    if (number == nullptr || !number->is_int64())
      co_return Fail(Code::kCorrupt, "'{}' answered something else than a number", node);
    co_return static_cast<uint32_t>(number->get_int64());
  }
}

Roaming::Answer Roaming::TakeCallback(std::string body) {
  boost::system::error_code wrong;
  const json::value value = json::parse(body, wrong);
  const auto call = RequestId::Parse(wrong ? "" : Text(value, "call"));
  const auto payload = FromBase64(wrong ? "" : Text(value, "payload"));
  const auto key = FromBase64(wrong ? "" : Text(value, "key"));
  if (!call || !payload || !key) co_return Fail(Code::kCorrupt, "the callback is of no call");
  GODWIT_CO_TRY(const uint32_t number, co_await platform_->Deliver({*call, *payload, *key}));
  co_return http::Json(200, json::serialize(json::object{{"number", number}}));
}

// A result counts if it comes from whom the registry has for the owner. One of an instance that is
// in there no more has been the last owner's, or its call has a result already.
Roaming::Answer Roaming::TakeResult(std::string body, std::string from) {
  GODWIT_CO_TRY(ResultBody result, ResultFromBody(body));
  GODWIT_CO_TRY(const auto owner,
                co_await around_.registry.FindInstance(result.result.instance.text));
  if (owner && (owner->owner != from || owner->epoch != result.epoch)) {
    co_return Fail(Code::kStale, "instance '{}' lives on '{}' now, which answers for it", owner->id,
                   owner->owner);
  }
  const RequestId call = result.result.outcome.id;
  std::optional<functions::Outcome> outcome;
  if (!result.lost) outcome = std::move(result.result.outcome);
  GODWIT_CO_TRY(co_await travel_->ResultCame(call, std::move(outcome), result.result.attempt));
  co_return http::Json(200, "{}");
}

void Roaming::HasResults() {
  results_wait_ = true;
  if (closing_ || travel_ == nullptr || sending_) return;
  sending_ = true;
  if (!gate_.Spawn(SendResults())) sending_ = false;
}

asio::awaitable<void> Roaming::SendResults() {
  const ScopeExit done([this] { sending_ = false; });
  while (results_wait_ && !closing_) {
    results_wait_ = false;
    const auto results = co_await travel_->Results();
    if (!results) around_.log.Error("{}", results.error().ToString());
    bool all = results.has_value();
    for (size_t i = 0; results && i < results->size() && !closing_; ++i)
      all &= co_await SendResult((*results)[i]);
    if (all || closing_) continue;
    results_wait_ = true;
    co_await around_.Pause(kAskAgain);
  }
}

asio::awaitable<bool> Roaming::SendResult(ForeignResult result) {
  const RequestId id = result.outcome.id;
  const auto record = co_await around_.registry.FindInstance(result.instance.text);
  if (!record) co_return false;
  if (*record && (*record)->owner != around_.node) {
    // Who has taken it over says what came of it.
    co_return (co_await travel_->NoteDelivered(id)).has_value();
  }
  const bool lost = result.outcome.function_error == functions::kLostHere;
  http::Request request{.method = "POST",
                        .target = "/site/v1/results",
                        .headers = {{"Content-Type", "application/json"}},
                        .body = ResultToBody(result, *record ? (*record)->epoch : 0, lost)};
  const auto answer =
      BodyOf(result.home, co_await around_.link.Fetch(result.home, std::move(request), kPatience));
  const bool known = answer || answer.error().code() == Code::kStale;
  if (!known) co_return false;
  co_return (co_await travel_->NoteDelivered(id)).has_value();
}

asio::awaitable<bool> Roaming::MayAct(InstanceId instance, int64_t epoch) {
  while (!closing_) {
    if (presence_.held()) {
      const auto record = co_await around_.registry.FindInstance(instance.text);
      if (record)
        co_return !*record || ((*record)->owner == around_.node && (*record)->epoch == epoch);
    }
    co_await around_.Pause(kAskAgain);
  }
  co_return false;
}

void Roaming::Back() { static_cast<void>(gate_.Spawn(AskWhose())); }

// All that others know of is looked up, until it is known whose each is.
asio::awaitable<void> Roaming::AskWhose() {
  if (asking_) co_return;
  asking_ = true;
  const ScopeExit done([this] { asking_ = false; });
  while (!closing_ && presence_.held()) {
    bool all = true;
    for (const Travel::Known& known : travel_->Instances()) {
      if (known.held) all &= co_await AskWhoseIs(known);
    }
    if (all) co_return;
    co_await around_.Pause(kAskAgain);
  }
}

asio::awaitable<bool> Roaming::AskWhoseIs(Travel::Known known) {
  if (migrations_->IsUnderWay(known.id)) co_return true;  // it asks for itself
  auto found = co_await around_.registry.FindInstance(known.id.text);
  if (!found) co_return false;
  // It came shortly before this node ended, and the registry was not told, or not heard.
  if (*found && (*found)->owner != around_.node && (*found)->epoch + 1 == known.epoch) {
    const auto moved = co_await around_.registry.Transfer(known.id.text, (*found)->owner,
                                                          (*found)->epoch, around_.node);
    if (!moved && moved.error().code() != Code::kStale) co_return false;
    found = co_await around_.registry.FindInstance(known.id.text);
    if (!found) co_return false;
  }
  if (*found && (*found)->owner != around_.node) {
    around_.log.Info("'{}' lives on '{}' now", known.id.text, (*found)->owner);
    co_await travel_->Left(known.id, (*found)->owner);
    co_return true;
  }
  if (*found && (*found)->epoch != known.epoch)
    static_cast<void>(co_await travel_->NoteEpoch(known.id, (*found)->epoch));
  if (*found && !(*found)->replicas.empty()) copies_->NoteCopied(known.id);
  co_await travel_->GoesOn(known.id, *found ? (*found)->epoch : known.epoch);
  co_return true;
}

void Roaming::Lost() {
  around_.log.Warning("this node's lease has ended: what others have copies of stands still");
  for (const Travel::Known& known : travel_->Instances()) {
    if (copies_->IsCopied(known.id)) static_cast<void>(gate_.Spawn(travel_->StandStill(known.id)));
  }
}

void Roaming::WasPutAway(const InstanceId& instance) {
  if (copies_ && !migrations_->IsUnderWay(instance)) copies_->WasPutAway(instance);
}

void Roaming::CallEnded(const InstanceId& instance, int64_t epoch) {
  if (copies_) copies_->CallEnded(instance, epoch);
}

void Roaming::Ended(const InstanceId& instance, int64_t epoch) {
  static_cast<void>(
      gate_.Spawn([](Roaming* self, std::string id, int64_t its) -> asio::awaitable<void> {
        for (int tries = 0; tries < 5 && !self->closing_; ++tries) {
          if (co_await self->around_.registry.Forget(id, self->around_.node, its)) co_return;
          co_await self->around_.Pause(kAskAgain);
        }
      }(this, instance.text, epoch)));
}

}  // namespace godwit::sites
