// How an instance goes to another node, and what others know of it.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/try.h"
#include "functions/abroad.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;

Result<> Instance::CheckFree() const {
  if (!held_) return {};
  return godwit::Fail(Code::kBusy, "instance '{}' {} (try again when that is done)", id_.text,
                      reason_);
}

Result<> Instance::Hold(std::string reason) {
  GODWIT_TRY(CheckFree());
  if (ending_) return godwit::Fail(Code::kBusy, "instance '{}' ends", id_.text);
  held_ = true;
  workplace_.no_wake(id_);
  reason_ = std::move(reason);
  return {};
}

void Instance::Release() {
  held_ = false;
  if (state() == State::kSuspended && !moving_ && !ending_) ScheduleWake();
}

asio::awaitable<Instance::Farewell> Instance::LeaveFor(std::string node) {
  Farewell left{std::exchange(call_, std::nullopt), {}};
  ending_ = true;
  const ImageShelf::Held image = std::move(image_);
  last_image_.reset();
  kept_.reset();
  const Result<> written =
      co_await workplace_.journal.Write([&](storage::Database& database) -> Result<> {
        GODWIT_TRY(DropInstance(database, id_));
        if (!left.call) return {};
        const Invocation& call = left.call->invocation;
        GODWIT_TRY(left.callbacks, CallbacksOf(database, call.id));
        // What another node waits for comes to it from there.
        return call.home.empty() ? SendCallAway(database, call.id, node)
                                 : DropCall(database, call.id);
      });
  // The next start asks the site whose it is, and finds its image still here.
  if (written && image) image->Drop();
  if (!written) log_line_.Error("{}", written.error().ToString());
  reason_ = "lives on " + node;
  static_cast<void>(life_.Move(State::kMoved, reason_));
  Rescheduled();
  static_cast<void>(gate_.Spawn([](Instance* self) -> asio::awaitable<void> {
    while (self->moving_) co_await self->changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    self->log_.Flush();
    co_await self->TearDown();
    self->owner_.HasEnded(*self);
  }(this)));
  co_return left;
}

asio::awaitable<Result<>> Instance::NoteEpoch(int64_t epoch) {
  epoch_ = epoch;
  if (!kept_) co_return Result<>{};
  kept_->facts.epoch = epoch;
  if (row_missing_ || staged_) co_return Result<>{};
  const KeptInstance kept = *kept_;
  co_return co_await workplace_.journal.Write(
      [&](storage::Database& database) { return PutInstance(database, kept); });
}

// What it has to say waits until it is certain that nobody else says it.
asio::awaitable<void> Instance::Conclude(PendingCall call, Outcome outcome) {
  const bool mine = co_await workplace_.abroad->MayAct(id_, epoch_);
  if (mine) {
    workplace_.abroad->CallEnded(id_, epoch_);
    call.done(call, std::move(outcome));
    co_return;
  }
  log_line_.Warning("the result of '{}' is dropped: another node has taken '{}' over",
                    call.invocation.id.text, id_.text);
  if (workplace_.fenced) workplace_.fenced(id_, std::move(call));
}

asio::awaitable<std::optional<PendingCall>> Instance::Fence(std::string node) {
  std::optional<PendingCall> call = std::exchange(call_, std::nullopt);
  if (call) {
    const Result<> written = co_await workplace_.journal.Write([&](storage::Database& database) {
      return call->invocation.home.empty() ? SendCallAway(database, call->invocation.id, node)
                                           : DropCall(database, call->invocation.id);
    });
    if (!written) log_line_.Error("{}", written.error().ToString());
  }
  epoch_ = 0;
  Stop("taken over by " + node,
       Error(Code::kConflict, "it was taken over by the node '" + node + "'"));
  co_return call;
}

}  // namespace godwit::functions
