#include "functions/travel.h"

#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

std::vector<Travel::Known> Travel::Instances() const {
  std::vector<Known> known;
  crews_.ForEach([&](const Instance& instance) {
    if (instance.epoch() == 0) return;
    Known one{.id = instance.id(),
              .function = instance.function().spec.name,
              .revision = instance.function().revision_id,
              .state = instance.state(),
              .epoch = instance.epoch(),
              .sequence = 0,
              .call = {},
              .held = instance.held()};
    if (instance.kept()) one.sequence = instance.kept()->facts.sequence;
    if (instance.call()) one.call = instance.call()->invocation.id;
    known.push_back(std::move(one));
  });
  return known;
}

asio::awaitable<Result<>> Travel::NoteEpoch(InstanceId id, int64_t epoch) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr) co_return Fail(Code::kNotFound, "instance '{}' has ended", id.text);
  co_return co_await instance->NoteEpoch(epoch);
}

asio::awaitable<void> Travel::GoesOn(InstanceId id, int64_t epoch) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr || instance->epoch() != epoch) co_return;
  instance->Release();
  if (instance->state() == State::kFrozen || instance->state() == State::kSpilled)
    static_cast<void>(co_await instance->TakeBack("the site says that it is this node's"));
}

asio::awaitable<void> Travel::StandStill(InstanceId id) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr || !instance->Hold("waits for the site to say whose it is")) co_return;
  const State state = instance->state();
  if (state != State::kReady && state != State::kBusy && state != State::kBlocked) co_return;
  static_cast<void>(
      co_await instance->PutInto(Tier::kFrozen, "this node has lost touch with its site"));
}

asio::awaitable<void> Travel::Left(InstanceId id, std::string node) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr) co_return;
  std::optional<PendingCall> call;
  if (instance->state() == State::kSuspended && !instance->moving()) {
    call = (co_await instance->LeaveFor(node)).call;
  } else {
    call = co_await instance->Fence(node);
  }
  if (call && call->invocation.home.empty()) calls_.WentAway(*std::move(call), node, id);
}

asio::awaitable<Result<std::vector<ForeignResult>>> Travel::Results() {
  co_return co_await work_.journal.Read(
      [](storage::Database& database) { return ForeignResults(database); });
}

asio::awaitable<Result<>> Travel::NoteDelivered(RequestId id) {
  co_return co_await work_.journal.Write(
      [&](storage::Database& database) { return functions::NoteDelivered(database, id); });
}

void Travel::CallMoved(const RequestId& id, const std::string& node) {
  auto* away = calls_.away().Find(id);
  if (away == nullptr) return;
  away->node = node;
  work_.journal.Note(
      [id, node](storage::Database& database) { return SendCallAway(database, id, node); });
}

asio::awaitable<Result<std::string>> Travel::Zip(const Function& function) {
  co_return co_await catalogue_.ZipOf(function);
}

}  // namespace godwit::functions
