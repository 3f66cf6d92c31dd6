#include "functions/arrival.h"

#include <sys/statvfs.h>

#include <utility>

#include "base/fault.h"
#include "base/try.h"
#include "functions/image_bond.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

constexpr uint32_t kImageChunk = storage::kLeastBlobChunk;
constexpr uint64_t kSlack = 64 << 20;  // bytes beyond the function's memory: manifest, sums

uint64_t RoomIn(const std::string& directory) {
  struct statvfs st = {};
  return ::statvfs(directory.c_str(), &st) == 0 ? uint64_t{st.f_bavail} * st.f_frsize : 0;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<Arrival>>> Arrivals::Expect(ArrivalOffer offer) {
  if (!work_.criu)
    co_return Fail(Code::kUnsupported, "CRIU does not work there (run `godwit doctor` there)");
  if (crews_.Find(offer.instance) != nullptr)
    co_return Fail(Code::kConflict, "instance '{}' is there already", offer.instance.text);
  const uint64_t memory = uint64_t(offer.function.spec.memory_mb) << 20;
  if (offer.most_bytes > memory + kSlack)
    co_return Fail(Code::kInvalid, "it has more memory than its function may have");
  if (RoomIn(work_.directories.staging) < offer.most_bytes) {
    co_return Fail(Code::kNoSpace, "there is no room for {} MiB in memory there",
                   offer.most_bytes >> 20);
  }
  auto arrival = std::make_unique<Arrival>();
  GODWIT_CO_TRY(Catalogue::Imported imported,
                co_await catalogue_.Import(offer.function, std::move(offer.zip)));
  arrival->function = std::move(imported.function);
  if (imported.code) arrival->code.emplace(*std::move(imported.code));
  arrival->offer = std::move(offer);
  arrival->library = library_.For(arrival->function);
  GODWIT_CO_TRY(arrival->image, co_await Offload(work_.pool, [&] {
                  return checkpoint::IncomingImage::Begin(
                      work_.blobs, work_.directories.staging,
                      PageLibrary::AsBases(arrival->library, arrival->function), memory + kSlack);
                }));
  co_return arrival;
}

asio::awaitable<Result<>> Arrivals::Keep(Arrival& arrival, Luggage luggage, int64_t epoch) {
  GODWIT_CO_TRY(co_await Store(arrival, std::move(luggage), epoch));
  if (work_.settings.durable_suspend) GODWIT_CO_TRY(co_await work_.images->Sync(arrival.held));
  Result<> written = co_await work_.journal.Write(
      [&](storage::Database& database) { return PutRows(database, arrival); });
  if (!written) arrival.held->Drop();
  GODWIT_FAULT(kArrivalKept);
  co_return written;
}

Result<> Arrivals::PutRows(storage::Database& database, const Arrival& arrival) const {
  const InstanceFacts& facts = arrival.kept.facts;
  if (facts.call) {
    GODWIT_TRY(PutCall(database, *facts.call, CallStatus::kRunning, facts.instance));
    GODWIT_TRY(SendCallAway(database, facts.call->id, ""));
  }
  for (const KeptCallback& callback : arrival.luggage.callbacks)
    GODWIT_TRY(PutCallback(database, callback));
  return PutInstance(database, arrival.kept);
}

asio::awaitable<Result<>> Arrivals::Store(Arrival& arrival, Luggage luggage, int64_t epoch) {
  InstanceFacts& facts = luggage.facts;
  if (facts.instance != arrival.offer.instance ||
      facts.function->spec.name != arrival.function.spec.name ||
      facts.function->revision_id != arrival.function.revision_id)
    co_return Fail(Code::kCorrupt, "another instance came than was offered");
  if (facts.call && facts.call->home.empty())
    co_return Fail(Code::kCorrupt, "nobody is known who waits for its call");
  facts.function = std::make_shared<const Function>(arrival.function);
  facts.bases.clear();
  facts.image_key = NewImageKey(work_.entropy);
  facts.epoch = epoch;
  // Of the clocks of the node that it comes from nothing is known here but how long ago it was.
  facts.boot.clear();
  facts.wall = work_.clock.Wall() - luggage.age;
  if (facts.call && facts.call->home == work_.settings.node_name) facts.call->home.clear();
  arrival.luggage = std::move(luggage);
  InstanceFacts& kept = arrival.kept.facts;
  kept = arrival.luggage.facts;
  const auto describe = [&](const std::vector<size_t>& bases) {
    for (const size_t base : bases) kept.bases.push_back(arrival.library[base]->facts());
    return FactsToJson(kept);
  };
  GODWIT_CO_TRY(const checkpoint::StoredImage image,
                co_await Offload(work_.pool, [&]() -> Result<checkpoint::StoredImage> {
                  return arrival.image->Store(
                      describe,
                      {Durability::kCached, storage::Packing::kFast, kImageChunk, BondOf(kept)});
                }));
  arrival.image.reset();
  arrival.kept.image = image.id;
  arrival.kept.image_bytes = image.bytes;
  arrival.kept.synced = false;
  if (!arrival.luggage.callbacks.empty())
    arrival.kept.callbacks = arrival.luggage.callbacks.back().number + 1;
  arrival.held = work_.images->Own(arrival.kept);
  GODWIT_FAULT(kArrivalStored);
  co_return Result<>{};
}

asio::awaitable<Result<>> Arrivals::Begin(std::unique_ptr<Arrival> arrival) {
  const Function& function = arrival->function;
  library_.Keep(function, arrival->held);
  auto crew = catalogue_.Find(function.spec.name);
  if (!crew) crew = crews_.Make(function);
  const InstanceId id = arrival->kept.facts.instance;
  PendingCall::Done done =
      arrival->kept.facts.call ? calls_.ComesBack(*arrival->kept.facts.call) : calls_.Keeper();
  const bool ran = arrival->luggage.ran;
  crew->Restore(std::move(arrival->kept), std::move(done));
  Instance* instance = crews_.Find(id);
  if (ran && instance != nullptr) GODWIT_CO_TRY(co_await instance->Resume("has moved here"));
  co_return Result<>{};
}

asio::awaitable<void> Arrivals::Refuse(std::unique_ptr<Arrival> arrival, std::string back_to) {
  if (!arrival->held) co_return;  // nothing was kept
  const InstanceFacts& facts = arrival->kept.facts;
  const Result<> dropped =
      co_await work_.journal.Write([&](storage::Database& database) -> Result<> {
        GODWIT_TRY(DropInstance(database, facts.instance));
        if (!facts.call) return {};
        return facts.call->home.empty() ? SendCallAway(database, facts.call->id, back_to)
                                        : DropCall(database, facts.call->id);
      });
  if (dropped) {
    arrival->held->Drop();
  } else {
    work_.log.Error("{}", dropped.error().ToString());
  }
}

}  // namespace godwit::functions
