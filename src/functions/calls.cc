#include "functions/calls.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/fault.h"
#include "base/try.h"
#include "functions/abroad.h"
#include "functions/schema.h"

namespace godwit::functions {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kSweepEvery = std::chrono::minutes(10);
constexpr Nanos kFirstRetry = 1s;  // of a result that could not be written
constexpr Nanos kLastRetry = 30s;

}  // namespace

Result<> Calls::Start(const std::set<std::string>& on_disk) {
  std::vector<KeptCall> calls;
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(calls, UnfinishedCalls(database));
    return {};
  }));
  size_t again = 0;
  for (auto& kept : calls) {
    if (on_disk.contains(kept.invocation.id.text)) continue;
    PendingCall call{std::move(kept.invocation), Keeper(), true};
    if (!kept.away.empty()) {
      WentAway(std::move(call), std::move(kept.away), kept.record.instance.value_or(InstanceId{}));
      continue;
    }
    if (!call.invocation.home.empty()) {
      // Its payload is with the node that accepted it, which decides what to do.
      call.done(call, Fail(Code::kUnavailable, "the node was restarted while the call ran"));
      continue;
    }
    if (call.invocation.kind == CallKind::kSync) {
      call.done(call, Fail(Code::kUnavailable, "the node was restarted while the call ran"));
      continue;
    }
    const auto crew = catalogue_.CrewFor(call.invocation.function);
    if (!crew && crew.error().code() == Code::kUnavailable) continue;  // the next start may have it
    if (!crew) {
      call.done(call, std::unexpected(crew.error()));
      continue;
    }
    ++again;
    ++call.invocation.attempt;  // it may have begun: nothing runs twice unseen
    (*crew)->Queue(std::move(call));
  }
  if (!on_disk.empty() || again != 0) {
    work_.log.Info("found {} calls put away on disk and {} Event calls to run (again)",
                   on_disk.size(), again);
  }
  static_cast<void>(gate_.Spawn(Sweep()));
  return {};
}

asio::awaitable<void> Calls::Stop() {
  closing_ = true;
  sweep_.cancel();
  for (auto& [id, away] : away_.TakeAll()) {
    away.call.done(away.call, Fail(Code::kClosing,
                                   "the node is shutting down; the call goes on on '{}' (`godwit "
                                   "result {}` after the next start)",
                                   away.node, id));
  }
  co_await gate_.Drain();
}

asio::awaitable<void> Calls::Sweep() {
  while (true) {
    sweep_.expires_after(kSweepEvery);
    const auto [cancelled] = co_await sweep_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled || closing_) co_return;
    const WallTime before = work_.clock.Wall() - work_.settings.keep_results;
    work_.journal.Note([before](storage::Database& database) {
      return DropCallsFinishedBefore(database, before);
    });
  }
}

Result<std::shared_ptr<Crew>> Calls::CrewFor(const std::string& function) const {
  if (closing_)
    return Fail(Code::kClosing, "the node is shutting down (call again after the next start)");
  return catalogue_.CrewFor(function);
}

Invocation Calls::MakeInvocation(Platform::Call call, CallKind kind) {
  Invocation invocation;
  invocation.id = RequestId::New(work_.entropy);
  invocation.function = std::move(call.function);
  invocation.kind = kind;
  invocation.payload = std::move(call.payload);
  invocation.client_context = std::move(call.client_context);
  invocation.trace_id = std::move(call.trace_id);
  invocation.wants_log = call.wants_log;
  invocation.accepted = work_.clock.Wall();
  return invocation;
}

asio::awaitable<Result<Outcome>> Calls::Invoke(Platform::Call call) {
  struct Waiting {
    asio::steady_timer done;
    std::optional<Result<Outcome>> result;
  };
  // Shared, for the caller may leave before the call ends.
  const auto waiting = std::make_shared<Waiting>(
      asio::steady_timer(work_.executor, asio::steady_timer::time_point::max()), std::nullopt);
  const std::string name = call.function;
  PendingCall pending{MakeInvocation(std::move(call), CallKind::kSync),
                      [this, waiting](const PendingCall& ended, Result<Outcome> result) {
                        if (ended.kept) Keep(ended, result);
                        waiting->result = std::move(result);
                        waiting->done.cancel();
                      }};
  {
    GODWIT_CO_TRY(const auto crew, CrewFor(name));
    GODWIT_CO_TRY(crew->Submit(std::move(pending)));
  }
  while (!waiting->result) {
    co_await waiting->done.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return Fail(Code::kClosing, "the node is shutting down");
    }
  }
  co_return *std::move(waiting->result);
}

asio::awaitable<Result<RequestId>> Calls::Submit(Platform::Call call) {
  const std::string name = call.function;
  {
    GODWIT_CO_TRY(const auto crew, CrewFor(name));
    if (static_cast<int>(crew->queued()) >= work_.settings.max_queued) {
      co_return Fail(Code::kBusy, "{} calls of '{}' are waiting already (try again later)",
                     crew->queued(), name);
    }
  }
  const PendingCall pending{MakeInvocation(std::move(call), CallKind::kEvent), Keeper(), true};
  GODWIT_CO_TRY(co_await work_.journal.Write([&](storage::Database& database) {
    return PutCall(database, pending.invocation, CallStatus::kQueued, std::nullopt);
  }));
  GODWIT_FAULT(kInvocationAccepted);
  if (closing_) co_return pending.invocation.id;  // the next node runs it
  // It may have been deleted meanwhile; then this row must not wait for one of the same name.
  const auto crew = catalogue_.CrewFor(name);
  const Result<> queued = crew ? (*crew)->Submit(pending) : std::unexpected(crew.error());
  if (!queued) {
    pending.done(pending, std::unexpected(queued.error()));
    co_return std::unexpected(queued.error());
  }
  co_return pending.invocation.id;
}

PendingCall::Done Calls::Keeper() {
  return [this](const PendingCall& call, Result<Outcome> result) { Keep(call, std::move(result)); };
}

void Calls::Keep(const PendingCall& call, Result<Outcome> result) {
  // A node that shuts down leaves kept calls as they are: the next one runs them, or brings them
  // back.
  if (!result && result.error().code() == Code::kClosing) return;
  Outcome outcome;
  if (result) {
    outcome = *std::move(result);
  } else {
    outcome.function_error = "Unhandled";
    outcome.payload =
        ErrorObject(call.invocation.id, "Godwit.CallFailed", result.error().ToString());
  }
  if (!result && !call.invocation.home.empty()) outcome.function_error = kLostHere;
  outcome.id = call.invocation.id;
  outcome.log_tail.clear();
  static_cast<void>(gate_.Spawn(Write(std::move(outcome), call.invocation.attempt)));
}

// A store that is full, say, may have room later.
asio::awaitable<void> Calls::Write(Outcome outcome, int attempt) {
  const WallTime at = work_.clock.Wall();
  asio::steady_timer pause(work_.executor);
  for (Nanos wait = kFirstRetry;; wait = std::min(wait * 2, kLastRetry)) {
    const Result<> written = co_await work_.journal.Write(
        [&](storage::Database& database) { return FinishCall(database, outcome, attempt, at); });
    GODWIT_FAULT(kResultKept);
    if (written) {
      if (work_.abroad != nullptr) work_.abroad->HasResults();
      co_return;
    }
    work_.log.Error("cannot keep the result of '{}' yet: {}", outcome.id.text,
                    written.error().ToString());
    for (Nanos waited{}; waited < wait && !closing_; waited += kFirstRetry) {
      pause.expires_after(kFirstRetry);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (closing_) co_return;
  }
}

PendingCall::Done Calls::ComesBack(const Invocation& call) {
  if (!call.home.empty() && call.home != work_.settings.node_name) return Keeper();
  auto waiting = away_.Take(call.id);
  return waiting ? std::move(waiting->done) : Keeper();
}

asio::awaitable<Result<>> Calls::ResultCame(RequestId id, std::optional<Outcome> outcome,
                                            int attempt) {
  GODWIT_CO_TRY(auto record, co_await work_.journal.Read([&](storage::Database& database) {
    return FindCall(database, id);
  }));
  if (!record || record->finished) co_return Result<>{};
  if (!outcome && record->kind == CallKind::kEvent) co_return co_await RunAgain(std::move(id));
  if (!outcome) {
    outcome.emplace();
    outcome->function_error = "Unhandled";
    outcome->payload = ErrorObject(id, "Godwit.CallFailed", "the node that ran the call lost it");
  }
  outcome->id = id;
  GODWIT_CO_TRY(co_await work_.journal.Write([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(FinishCall(database, *outcome, attempt, work_.clock.Wall()));
    return SendCallAway(database, id, "");
  }));
  if (auto waiting = away_.Take(id)) {
    waiting->kept = false;  // it is already
    waiting->done(*waiting, *std::move(outcome));
  }
  co_return Result<>{};
}

// From its payload, which the store has kept.
asio::awaitable<Result<>> Calls::RunAgain(RequestId id) {
  std::vector<KeptCall> calls;
  GODWIT_CO_TRY(co_await work_.journal.Write([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(SendCallAway(database, id, ""));
    GODWIT_TRY(calls, UnfinishedCalls(database));
    return {};
  }));
  const auto found =
      std::ranges::find_if(calls, [&](const KeptCall& kept) { return kept.invocation.id == id; });
  if (found == calls.end()) co_return Result<>{};
  static_cast<void>(away_.Take(id));
  PendingCall call{std::move(found->invocation), Keeper(), true};
  ++call.invocation.attempt;
  const auto crew = catalogue_.CrewFor(call.invocation.function);
  if (crew) {
    (*crew)->Queue(std::move(call));
  } else {
    call.done(call, std::unexpected(crew.error()));
  }
  co_return Result<>{};
}

asio::awaitable<Result<CallRecord>> Calls::Find(RequestId id) {
  GODWIT_CO_TRY(auto record, co_await work_.journal.Read([&](storage::Database& database) {
    return FindCall(database, id);
  }));
  if (!record)
    co_return Fail(Code::kNotFound,
                   "no call '{}' is kept (results of Event calls are kept for a day)", id.text);
  crews_.ForEach([&](const Instance& instance) {
    if (!instance.call() || instance.call()->invocation.id != id || record->finished) return;
    record->status = CallStatus::kRunning;
    record->instance = instance.id();
    record->attempt = instance.call()->invocation.attempt;
  });
  if (const auto* away = away_.Find(id); away != nullptr && !record->finished) {
    record->status = CallStatus::kRunning;
    record->instance = away->instance;
    record->node = away->node;
  }
  co_return *std::move(record);
}

}  // namespace godwit::functions
