// What an instance does for the callbacks of its call: who waits gets them, also one that is put
// away.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/scope.h"
#include "base/try.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;

void Instance::CallbacksCame(const RequestId& call, uint32_t count) {
  if (!call_ || call_->invocation.id != call) return;
  callbacks_ = std::max(callbacks_, count);
  Rescheduled();
  // On its way to SUSPENDED, it is looked after when it is there.
  if (state() == State::kSuspended && !moving_) ScheduleWake();
  if (!moving_) SchedulePaused();
}

bool Instance::CallbackIsDue() const {
  if (!kept_ || !call_) return false;
  return std::ranges::any_of(kept_->facts.sessions, [&](const SavedSession& session) {
    return session.awaiting == SavedSession::Awaiting::kCallback &&
           session.callback.call == call_->invocation.id.text &&
           session.callback.number < callbacks_;
  });
}

std::string_view Instance::WakeReason() const {
  if (CallbackIsDue() || IsPausedFor(callbacks_)) return "a callback came";
  return IsDue() ? "a packet came" : "what it waits for is due";
}

asio::awaitable<Result<>> Instance::AwaitCallback(CallbackRef callback) {
  ++callbacks_awaited_;
  const ScopeExit leave([&] { --callbacks_awaited_; });
  const auto runs = [&] { return Runs(callback.call); };
  if (runs() && callback.number >= callbacks_) {
    // It may have come before the call began.
    GODWIT_CO_TRY(const uint32_t count,
                  co_await workplace_.journal.Read([&](storage::Database& database) {
                    return CountCallbacks(database, RequestId{callback.call});
                  }));
    if (runs()) callbacks_ = std::max(callbacks_, count);
  }
  // A connection that is held says nothing.
  while (moving_ || state() == State::kFrozen || (runs() && callback.number >= callbacks_)) {
    if (ending_ && !moving_) co_return godwit::Fail(Code::kClosing, "the instance ends");
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return godwit::Fail(Code::kClosing, "the connection ends");
    }
  }
  if (!runs()) co_return godwit::Fail(Code::kNotFound, "no call '{}' runs here", callback.call);
  callbacks_taken_ = std::max(callbacks_taken_, callback.number + 1);
  // It is about to run: until it was seen to wait again it is not put away.
  still_since_ = workplace_.clock.Steady();
  if (state() == State::kSpilled || state() == State::kFrozen) {
    RunAgain("a callback came");
  } else if (state() == State::kBlocked) {
    StartClock(still_since_);
    reason_ = "a callback came";
    GODWIT_CO_TRY(life_.Move(State::kBusy, reason_));
  }
  co_return Result<>{};
}

asio::awaitable<Result<std::string>> Instance::ReadCallback(CallbackRef callback) {
  GODWIT_CO_TRY(auto payload, co_await workplace_.journal.Read([&](storage::Database& database) {
    return FindCallback(database, RequestId{callback.call}, callback.number);
  }));
  if (!payload) {
    co_return godwit::Fail(Code::kNotFound, "call '{}' has ended", callback.call);
  }
  co_return *std::move(payload);
}

}  // namespace godwit::functions
