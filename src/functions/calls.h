#pragma once

// Calls: accepted, handed to their function's crew, and what became of those that are kept.
//
// Event calls are in the store before they are acknowledged, synchronous ones from their first
// suspension on; their results stay there for Settings::keep_results. Threads: the loop. Lifetime:
// Start() first; co_await Stop() after the crews are closed. Failure: as Platform has it. A result
// that cannot be written is kept in memory and tried again, until the node stops; then the next one
// runs the call again.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/gate.h"
#include "functions/away_calls.h"
#include "functions/catalogue.h"
#include "functions/crews.h"
#include "functions/platform.h"
#include "functions/workplace.h"

namespace godwit::functions {

// The function error of a call that another node has accepted, and that came to nothing here.
inline constexpr std::string_view kLostHere = "Lost";

class Calls {
 public:
  Calls(Workplace& workplace, Catalogue& catalogue, Crews& crews)
      : work_(workplace),
        catalogue_(catalogue),
        crews_(crews),
        sweep_(workplace.executor),
        gate_(workplace.executor) {}

  // Takes up what the store has no result of: calls in `on_disk` (request ids) come back with their
  // instance, Event calls run again, and the others, whose callers are gone, have failed. Blocking.
  Result<> Start(const std::set<std::string>& on_disk);
  // No more calls; returns when all results are written, or cannot be.
  boost::asio::awaitable<void> Stop();
  void Close() { closing_ = true; }

  boost::asio::awaitable<Result<Outcome>> Invoke(Platform::Call call);
  boost::asio::awaitable<Result<RequestId>> Submit(Platform::Call call);
  boost::asio::awaitable<Result<CallRecord>> Find(RequestId id);

  // Who is told of the end of a call that is kept: writes its result to the store.
  PendingCall::Done Keeper();

  // The instance of this call lives on another node now.
  void WentAway(PendingCall call, std::string node, InstanceId instance) {
    away_.Add(std::move(call), std::move(node), std::move(instance));
  }
  // It is back: whoever waits for its result; the keeper, if that is another node or nobody.
  PendingCall::Done ComesBack(const Invocation& call);
  AwayCalls& away() { return away_; }
  // What another node says of a call that was accepted here: durable when this returns. Nothing, if
  // its result is known already. Without an outcome it was lost there: an Event call runs again.
  boost::asio::awaitable<Result<>> ResultCame(RequestId id, std::optional<Outcome> outcome,
                                              int attempt);

 private:
  Result<std::shared_ptr<Crew>> CrewFor(const std::string& function) const;
  Invocation MakeInvocation(Platform::Call call, CallKind kind);
  void Keep(const PendingCall& call, Result<Outcome> result);
  boost::asio::awaitable<Result<>> RunAgain(RequestId id);
  boost::asio::awaitable<void> Write(Outcome outcome, int attempt);
  boost::asio::awaitable<void> Sweep();

  Workplace& work_;
  Catalogue& catalogue_;
  Crews& crews_;
  AwayCalls away_;
  boost::asio::steady_timer sweep_;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace godwit::functions
