#include "functions/departure.h"

#include <filesystem>
#include <utility>

#include "base/fault.h"
#include "base/try.h"
#include "functions/abroad.h"
#include "functions/bakery.h"
#include "functions/image_bond.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

// Whether the function has changed its root file system, which an image does not carry.
bool HasChangedRoot(const std::string& home) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           home + "/upper", std::filesystem::directory_options::skip_permission_denied, error)) {
    if (!entry.is_directory(error)) return true;
  }
  return false;
}

}  // namespace

Result<const Instance*> Departures::Check(const InstanceId& id) const {
  const Instance* instance = crews_.Find(id);
  if (instance == nullptr)
    return Fail(Code::kNotFound, "no instance '{}' (see `godwit ps`)", id.text);
  const Function& function = instance->function();
  if (function.spec.engine == kDocker) {
    return Fail(Code::kUnsupported,
                "'{}' runs at the Docker Engine, which cannot send it (deploy it with --engine "
                "native)",
                function.spec.name);
  }
  if (!function.spec.subnets.empty()) {
    return Fail(Code::kUnsupported,
                "'{}' has a network, and its connections to the world would be cut (deploy it "
                "without one, or let its call end first)",
                function.spec.name);
  }
  if (!function.spec.image.empty() && HasChangedRoot(work_.directories.instances + "/" + id.text)) {
    return Fail(Code::kUnsupported,
                "'{}' has written files outside of /tmp, which do not go along (write them there)",
                function.spec.name);
  }
  return instance;
}

asio::awaitable<Result<>> Departures::Open(Departure& departure, const Instance& instance) {
  departure.kept = *instance.kept();
  departure.held = instance.image();
  const InstanceFacts& facts = departure.kept.facts;
  GODWIT_CO_TRY(departure.image, co_await Offload(work_.pool, [&] {
                  return checkpoint::OutgoingImage::Open(work_.blobs, departure.kept.image,
                                                         BondOf(facts), BasesOf(facts));
                }));
  co_return Result<>{};
}

asio::awaitable<std::vector<std::unique_ptr<checkpoint::OutgoingImage>>> Departures::Forerunners(
    InstanceId id) {
  std::vector<std::unique_ptr<checkpoint::OutgoingImage>> opened;
  const Instance* instance = crews_.Find(id);
  if (instance == nullptr || instance->state() == State::kSuspended) co_return opened;
  const Function function = instance->function();
  std::vector<ImageShelf::Held> images;
  if (instance->last_image()) {
    images.push_back(instance->last_image());
  } else if (const auto made = instance->is_clone() && work_.bakery != nullptr
                                   ? work_.bakery->Of(function)
                                   : nullptr) {
    if (auto image = work_.images->Find(made->image)) images.push_back(std::move(image));
  }
  for (const ImageShelf::Held& held : images) {
    auto image = co_await Offload(work_.pool, [&] {
      return checkpoint::OutgoingImage::Open(work_.blobs, held->facts().image,
                                             BondOf(held->facts(), function),
                                             PageLibrary::AsBases(held->bases(), function));
    });
    if (image) opened.push_back(*std::move(image));  // for speed alone
  }
  co_return opened;
}

asio::awaitable<Result<Departure>> Departures::Begin(InstanceId id, std::string to) {
  GODWIT_CO_TRY(Check(id));
  Departure departure;
  departure.id = id;
  Instance* instance = crews_.Find(id);
  GODWIT_CO_TRY(instance->Hold("goes to " + to));
  co_await instance->Still();
  instance = crews_.Find(id);  // it may have ended meanwhile
  if (instance != nullptr && !instance->kept()) {
    departure.ran = true;
    departure.stood_still = work_.clock.Steady();
    const bool works = instance->state() == State::kBusy;
    auto report = co_await instance->Suspend("goes to " + to, works);
    instance = crews_.Find(id);
    if (!report) {
      if (instance != nullptr) instance->Release();
      co_return std::unexpected(std::move(report).error());
    }
  }
  if (instance == nullptr || !instance->kept())
    co_return Fail(Code::kConflict, "instance '{}' has ended", id.text);
  GODWIT_FAULT(kDepartureHeld);
  if (Result<> opened = co_await Open(departure, *instance); !opened) {
    Error why = std::move(opened).error();
    co_await Stay(std::move(departure), why.reason());
    co_return std::unexpected(std::move(why));
  }
  co_return departure;
}

asio::awaitable<Result<Departure>> Departures::Copy(InstanceId id) {
  GODWIT_CO_TRY(const Instance* instance, Check(id));
  if (instance->state() != State::kSuspended || instance->moving() || !instance->kept() ||
      !instance->image()) {
    co_return Fail(Code::kConflict, "instance '{}' is {}, not put away", id.text,
                   ToString(instance->state()));
  }
  Departure departure;
  departure.id = id;
  GODWIT_CO_TRY(co_await Open(departure, *instance));
  co_return departure;
}

asio::awaitable<Result<Luggage>> Departures::Pack(Departure& departure, int64_t epoch) {
  Luggage luggage;
  luggage.facts = departure.kept.facts;
  luggage.facts.epoch = epoch;
  luggage.ran = departure.ran;
  if (Instance* instance = crews_.Find(departure.id); instance != nullptr && epoch != 0)
    GODWIT_CO_TRY(co_await instance->NoteEpoch(epoch));
  if (luggage.facts.call) {
    Invocation& call = *luggage.facts.call;
    if (call.home.empty()) call.home = work_.settings.node_name;
    GODWIT_CO_TRY(luggage.callbacks, co_await work_.journal.Read([&](storage::Database& database) {
      return CallbacksOf(database, call.id);
    }));
    if (!luggage.callbacks.empty()) departure.packed = luggage.callbacks.back().number + 1;
  }
  // The wall clock may have been set since, the steady one is of this boot alone.
  const InstanceFacts& facts = departure.kept.facts;
  const Nanos clock = work_.InstanceClock(ClockOffset(facts, work_));
  luggage.age = std::max(Nanos(0), clock - facts.clock);
  co_return luggage;
}

asio::awaitable<Result<>> Departures::Leave(Departure departure, std::string node) {
  Instance* instance = crews_.Find(departure.id);
  if (instance == nullptr) co_return Result<>{};  // deleted meanwhile
  library_.Keep(instance->function(), departure.held);
  auto left = co_await instance->LeaveFor(node);
  GODWIT_FAULT(kDeparted);
  if (left.call && left.call->invocation.home.empty())
    calls_.WentAway(*std::move(left.call), node, departure.id);
  // Those that came between Pack() and now.
  for (const KeptCallback& kept : left.callbacks) {
    if (kept.number < departure.packed || work_.abroad == nullptr) continue;
    const auto sent = co_await work_.abroad->Deliver(node, departure.id, kept.callback);
    if (!sent) {
      work_.log.Error("a callback of '{}' is lost on its way to '{}': {}", kept.callback.call.text,
                      node, sent.error().ToString());
    }
  }
  co_return Result<>{};
}

asio::awaitable<void> Departures::Stay(Departure departure, std::string why) {
  Instance* instance = crews_.Find(departure.id);
  if (instance == nullptr) co_return;
  instance->Release();
  if (departure.ran) static_cast<void>(co_await instance->Resume("stays: " + why));
}

}  // namespace godwit::functions
