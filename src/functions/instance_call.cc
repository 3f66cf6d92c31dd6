// What an instance does for its call: hands it out, counts its time, takes its answer.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <utility>

#include "base/scope.h"
#include "base/try.h"
#include "functions/abroad.h"
#include "functions/bakery.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;

std::string ErrorObject(const RequestId& id, const std::string& type, const std::string& message) {
  return boost::json::serialize(boost::json::object{
      {"errorType", type},
      {"errorMessage", fmt::format("RequestId: {} Error: {}", id.text, message)}});
}

void Instance::Assign(PendingCall call) {
  call_ = std::move(call);
  NoteAssigned();
  delivered_ = false;
  awake_before_ = Nanos(0);
  clock_stands_ = true;
  clock_stood_ = false;
  callbacks_ = callbacks_taken_ = 0;
  due_ = SteadyTime{};
  CallStarted();
}

// The call's clock runs from here: the runtime is about to get it.
void Instance::CallStarted() {
  reason_ = "runs a call";
  static_cast<void>(life_.Move(State::kBusy, reason_));
  call_started_ = still_since_ = workplace_.clock.Steady();
  cpu_seen_ = 0;
  call_began_ = call_started_;
  call_log_from_ = log_.size();
  StartClock(call_started_);
  Rescheduled();
}

Nanos Instance::AwakeTime() const {
  return awake_before_ +
         (clock_stands_ ? Nanos(0) : std::max(Nanos(0), workplace_.clock.Steady() - awake_since_));
}

void Instance::StopClock(SteadyTime since) {
  NoteMemoryPeak();
  awake_before_ += clock_stands_ ? Nanos(0) : std::max(Nanos(0), since - awake_since_);
  clock_stands_ = clock_stood_ = true;
  WriteDeadline();
}

void Instance::StartClock(SteadyTime from) {
  if (!clock_stands_) return;
  clock_stands_ = false;
  awake_since_ = from;
  if (clock_stood_) WriteDeadline();
  if (call_) ArmTimeout();
}

// One timer serves call after call: it is set anew only if it would come too late.
void Instance::ArmTimeout() {
  const SteadyTime due = awake_since_ + (function_.spec.timeout - awake_before_);
  if (timeout_armed_for_ <= due) return;
  timeout_armed_for_ = due;
  static_cast<void>(gate_.Spawn(WatchTime()));
}

asio::awaitable<void> Instance::WatchTime() {
  const SteadyTime mine = timeout_armed_for_;
  timeout_.expires_after(std::max(mine - workplace_.clock.Steady(), Nanos(0)));
  const auto [cancelled] = co_await timeout_.async_wait(asio::as_tuple(asio::use_awaitable));
  if (timeout_armed_for_ == mine) timeout_armed_for_ = SteadyTime{Nanos::max()};
  // One that has answered, but does not ask for the next call, is still at work.
  const bool at_work = state() == State::kBusy || state() == State::kBlocked;
  if (cancelled || moving_ || !at_work || clock_stands_) co_return;
  if (AwakeTime() < function_.spec.timeout) {
    ArmTimeout();
    co_return;
  }
  const std::string text = fmt::format("Task timed out after {:.2f} seconds",
                                       static_cast<double>(function_.spec.timeout.count()));
  FinishWith("Sandbox.Timedout", text);
  Stop("timed out", Error(Code::kTimeout, text));
}

asio::awaitable<Result<RuntimeCalls::Next>> Instance::AwaitNext() {
  if (awaiting_)
    co_return godwit::Fail(Code::kConflict, "another connection waits for the next invocation");
  asked_once_ = true;
  awaiting_ = true;
  const ScopeExit leave([&] { awaiting_ = false; });
  if (teaches_ && memory_ && memory_->whole())
    workplace_.bakery->Learn(*std::exchange(teaches_, nullptr), memory_->working_set());
  // A quick runtime asks before the node has heard that its process is there.
  while (state() == State::kStarting && moving_ && !ending_)
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
  if (state() == State::kStarting && workplace_.bakery != nullptr) {
    teaches_ = std::exchange(beginning_.clone_of, nullptr);
    if (teaches_) {
      workplace_.bakery->Born(function_);
    } else if (!beginning_.bakes && !beginning_.trial) {
      workplace_.bakery->Started(function_);
    }
  }
  if (call_ && delivered_ && state() != State::kReady) {
    // It asks for the next call without having answered the last: nobody else will.
    FinishWith("Runtime.InvalidState",
               "the runtime asked for the next invocation before it answered this one");
  }
  // One that was put away after its answer may have got its next call before it asks for it.
  const bool has_next = call_ && !delivered_ && state() == State::kBusy;
  if (!has_next && (state() == State::kStarting || state() == State::kBusy ||
                    state() == State::kBlocked || (state() == State::kSpilled && !call_))) {
    reason_ = state() == State::kStarting ? "initialised" : "answered";
    GODWIT_CO_TRY(life_.Move(State::kReady, reason_));
    still_since_ = workplace_.clock.Steady();
    owner_.WantsCall(*this);
  }
  while (!call_ || delivered_ || state() != State::kBusy) {
    if (ending_) co_return godwit::Fail(Code::kClosing, "the instance ends");
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return godwit::Fail(Code::kClosing, "the connection ends");
    }
  }
  delivered_ = true;
  const Nanos left = function_.spec.timeout - AwakeTime();
  co_return Next{&call_->invocation, workplace_.FunctionArn(function_.spec.name),
                 workplace_.clock.Wall() + left};
}

Result<> Instance::Respond(const std::string& id, std::string payload) {
  if (!Runs(id)) return godwit::Fail(Code::kNotFound, "no call '{}' runs here", id);
  Outcome outcome;
  outcome.payload = std::move(payload);
  Finish(std::move(outcome));
  return {};
}

Result<> Instance::Fail(const std::string& id, std::string, std::string body) {
  if (!Runs(id)) return godwit::Fail(Code::kNotFound, "no call '{}' runs here", id);
  Outcome outcome;
  outcome.payload = std::move(body);
  outcome.function_error = "Unhandled";
  Finish(std::move(outcome));
  return {};
}

Result<> Instance::InitFailed(std::string, std::string body) {
  if (asked_once_) return godwit::Fail(Code::kConflict, "the runtime is initialised already");
  failed_start_ = FailedStart{"", "", std::move(body)};
  return {};
}

CallReport Instance::Report() const {
  CallReport report{
      call_->invocation.id, function_.version, AwakeTime(), {}, function_.spec.memory_mb, {}};
  if (call_began_ != SteadyTime{}) {
    const Nanos uncounted = workplace_.clock.Steady() - call_began_ - report.awake;
    if (uncounted >= std::chrono::milliseconds(1)) report.put_away = uncounted;
  }
  const uint64_t peak = std::max(memory_peak_, sandbox_ ? sandbox_->cgroup().MemoryPeakBytes() : 0);
  // A restore has room for a few pages more than the function's own.
  if (peak > 0) report.memory_peak = std::min(peak, uint64_t(function_.spec.memory_mb) << 20);
  return report;
}

void Instance::NoteMemoryPeak() {
  if (sandbox_) memory_peak_ = std::max(memory_peak_, sandbox_->cgroup().MemoryPeakBytes());
}

// `said`: why the platform ended the call, if it did.
void Instance::Finish(Outcome outcome, const std::string& said) {
  if (!call_) return;
  if (call_->invocation.wants_log || !said.empty()) {
    const CallReport report = Report();
    const std::string end = said + EndLines(report);
    if (call_->invocation.wants_log) {
      std::string tail = StartLine(report) + log_.Tail(call_log_from_, kLogTail);
      if (!tail.ends_with('\n')) tail += '\n';
      tail += end;
      outcome.log_tail = tail.substr(tail.size() - std::min(tail.size(), kLogTail));
    }
    if (!said.empty()) log_.Note(end);
  }
  PendingCall call = *std::move(call_);
  call_.reset();
  delivered_ = false;
  // What stood in the way of a suspension may have gone with the call.
  failures_ = 0;
  refused_ = false;
  obstacle_.clear();
  obstacles_.clear();
  try_again_at_ = SteadyTime{};
  outcome.id = call.invocation.id;
  outcome.executed_version = function_.version;
  Rescheduled();  // whoever waits for its callbacks waits in vain
  if (epoch_ != 0 && workplace_.abroad != nullptr) {
    if (!workplace_.abroad->HoldsLease()) {
      static_cast<void>(gate_.Spawn(Conclude(std::move(call), std::move(outcome))));
      return;
    }
    workplace_.abroad->CallEnded(id_, epoch_);
  }
  call.done(call, std::move(outcome));
}

void Instance::FinishWith(const std::string& type, const std::string& message) {
  if (!call_) return;
  Outcome outcome;
  outcome.function_error = "Unhandled";
  outcome.payload = ErrorObject(call_->invocation.id, type, message);
  Finish(std::move(outcome),
         FailureLines(call_->invocation.id, type, message, workplace_.clock.Wall()));
}

}  // namespace godwit::functions
