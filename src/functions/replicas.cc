#include "functions/replicas.h"

#include "base/fault.h"
#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

using storage::Database;
using storage::Statement;

KeptInstance AsInstance(const KeptReplica& replica) {
  KeptInstance kept;
  kept.facts = replica.luggage.facts;
  kept.image = replica.image;
  kept.image_bytes = replica.image_bytes;
  kept.synced = true;
  if (!replica.luggage.callbacks.empty())
    kept.callbacks = replica.luggage.callbacks.back().number + 1;
  return kept;
}

}  // namespace

Result<> PutReplica(Database& database, const KeptReplica& replica) {
  GODWIT_TRY(Statement * put,
             database.Cached("INSERT OR REPLACE INTO replica (instance, owner, luggage, image, "
                             "image_bytes) VALUES (?, ?, ?, ?, ?)"));
  put->BindAll(replica.luggage.facts.instance.text, replica.owner, LuggageToJson(replica.luggage),
               replica.image.hex, replica.image_bytes);
  return put->Run();
}

Result<> DropReplica(Database& database, const InstanceId& id) {
  GODWIT_TRY(Statement * drop, database.Cached("DELETE FROM replica WHERE instance = ?"));
  drop->BindAll(id.text);
  return drop->Run();
}

Result<std::vector<KeptReplica>> AllReplicas(Database& database) {
  GODWIT_TRY(Statement * all, database.Cached("SELECT owner, luggage, image, image_bytes FROM "
                                              "replica ORDER BY instance"));
  std::vector<KeptReplica> replicas;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return replicas;
    KeptReplica& one = replicas.emplace_back();
    one.owner = all->Text(0);
    GODWIT_TRY(one.luggage, LuggageFromJson(all->Text(1)));
    one.image = storage::BlobId{std::string(all->Text(2))};
    one.image_bytes = static_cast<uint64_t>(all->Int(3));
  }
}

Result<> Replicas::Start() {
  std::vector<KeptReplica> all;
  GODWIT_TRY(work_.journal.WriteNow([&](Database& database) -> Result<> {
    GODWIT_TRY(all, AllReplicas(database));
    return {};
  }));
  for (KeptReplica& kept : all) {
    ImageShelf::Held image = work_.images->Own(AsInstance(kept));
    const std::string id = kept.luggage.facts.instance.text;
    replicas_.emplace(id, Held{std::move(kept), std::move(image)});
  }
  return {};
}

std::vector<Replicas::View> Replicas::All() const {
  std::vector<View> views;
  for (const auto& [id, held] : replicas_) {
    const InstanceFacts& facts = held.kept.luggage.facts;
    views.push_back({facts.instance, facts.function->spec.name, held.kept.owner,
                     facts.call ? facts.call->id.text : "", facts.epoch, facts.sequence,
                     held.kept.image_bytes});
  }
  return views;
}

std::optional<Replicas::View> Replicas::Find(const InstanceId& id) const {
  for (View& view : All()) {
    if (view.id == id) return std::move(view);
  }
  return std::nullopt;
}

asio::awaitable<Result<>> Replicas::Keep(std::unique_ptr<Arrival> arrival, Luggage luggage,
                                         int64_t epoch, std::string owner) {
  GODWIT_CO_TRY(co_await arrivals_.Store(*arrival, std::move(luggage), epoch));
  GODWIT_CO_TRY(co_await work_.images->Sync(arrival->held));
  KeptReplica kept{std::move(owner), std::move(arrival->luggage), arrival->kept.image,
                   arrival->kept.image_bytes};
  kept.luggage.facts = arrival->kept.facts;
  const std::string id = kept.luggage.facts.instance.text;
  Result<> written =
      co_await work_.journal.Write([&](Database& database) { return PutReplica(database, kept); });
  if (!written) {
    arrival->held->Drop();
    co_return written;
  }
  GODWIT_FAULT(kReplicaKept);
  if (const auto old = replicas_.find(id); old != replicas_.end()) {
    old->second.image->Drop();
    replicas_.erase(old);
  }
  replicas_.emplace(id, Held{std::move(kept), std::move(arrival->held)});
  co_return Result<>{};
}

asio::awaitable<void> Replicas::Drop(InstanceId id, uint64_t newest) {
  const auto found = replicas_.find(id.text);
  if (found == replicas_.end() || found->second.kept.luggage.facts.sequence > newest) co_return;
  const ImageShelf::Held image = std::move(found->second.image);
  replicas_.erase(found);
  const Result<> dropped =
      co_await work_.journal.Write([&](Database& database) { return DropReplica(database, id); });
  if (dropped) {
    image->Drop();
  } else {
    work_.log.Error("{}", dropped.error().ToString());
  }
}

asio::awaitable<Result<>> Replicas::TakeOver(InstanceId id, int64_t epoch) {
  const auto found = replicas_.find(id.text);
  if (found == replicas_.end())
    co_return Fail(Code::kNotFound, "there is no copy of '{}' here", id.text);
  auto arrival = std::make_unique<Arrival>();
  arrival->luggage = found->second.kept.luggage;
  arrival->kept = AsInstance(found->second.kept);
  arrival->kept.facts.epoch = epoch;
  arrival->function = *arrival->kept.facts.function;
  arrival->held = found->second.image;
  GODWIT_CO_TRY(co_await work_.journal.Write([&](Database& database) -> Result<> {
    GODWIT_TRY(const bool here, HasInstance(database, id));
    if (here) return Fail(Code::kConflict, "instance '{}' is here already", id.text);
    GODWIT_TRY(DropReplica(database, id));
    return arrivals_.PutRows(database, *arrival);
  }));
  replicas_.erase(id.text);
  GODWIT_FAULT(kTakenOver);
  arrival->luggage.ran = false;
  co_return co_await arrivals_.Begin(std::move(arrival));
}

}  // namespace godwit::functions
