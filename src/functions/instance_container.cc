// What an instance does otherwise if its walls are a container of the Docker Engine: how it is
// built, and how it is put away, which is Docker's pause. It stays in memory then, with its
// connections; a call, a callback, a hand or what it waits for brings it back.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/live_deadline.h"
#include "functions/containers.h"
#include "functions/environment.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

constexpr int kPatience = 40;  // looks, kLook apart, at a message that is still on its way
constexpr Nanos kLook = 10ms;
constexpr Nanos kRetry = 1s;       // after the Engine could not bring it back
constexpr Nanos kMostEarly = 30s;  // that it is brought back before what it waits for

}  // namespace

asio::awaitable<Result<>> Instance::BuildContainer() {
  if (workplace_.containers == nullptr)
    co_return godwit::Fail(Code::kUnsupported, "this node has no Docker Engine");
  GODWIT_CO_TRY(sandbox_,
                co_await workplace_.containers->Build(
                    function_, id_, ProgramOf(function_, id_, uid_, workplace_.settings), Home()));
  clock_offset_ = Nanos(0);  // it has the host's clocks
  sandbox_->OnExit([this](int inside, int status) { Exited(inside, status); });
  log_.Listen();
  endpoint_ = workplace_.endpoints(*this, sandbox_->TakeListener());
  co_return Result<>{};
}

bool Instance::IsPausedFor(uint32_t callbacks) const {
  return state() == State::kFrozen && call_ && callbacks_awaited_ > 0 &&
         callbacks > callbacks_taken_;
}

void Instance::SchedulePaused() {
  if (state() != State::kFrozen || !call_) return;
  const SteadyTime now = workplace_.clock.Steady();
  const SteadyTime soonest = std::max(now, try_again_at_);
  if (IsPausedFor(callbacks_)) return workplace_.wake_at(id_, soonest, Nanos(0));
  if (paused_until_) workplace_.wake_at(id_, std::max(*paused_until_, soonest), resume_cost_);
}

asio::awaitable<Result<MoveReport>> Instance::PauseContainer(std::string reason) {
  if (moving_ || ending_ || !MayMove(state(), State::kFrozen) || !alive_ ||
      (call_ && !delivered_)) {
    co_return godwit::Fail(Code::kConflict,
                           "instance '{}' is {} and cannot be put away now (try again when it is "
                           "READY, BUSY or BLOCKED)",
                           id_.text, moving_ ? "on its way to another state" : ToString(state()));
  }
  ++operations_;
  const ScopeExit leave([&] {
    --operations_;
    Rescheduled();
  });
  moving_ = true;
  const SteadyTime begun = workplace_.clock.Steady();
  MoveReport report;
  report.memory_before = sandbox_->cgroup().MemoryBytes();
  Result<> done;
  for (int look = 0; look < kPatience; ++look) {
    done = endpoint_->Hold();
    if (done || done.error().code() != Code::kBusy) break;
    asio::steady_timer pause(workplace_.executor, kLook);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  const auto deadline =
      co_await Offload(workplace_.pool, [pids = Pids(), calm = still_since_.since_boot] {
        return checkpoint::LiveDeadline(pids, calm);
      });
  if (done) done = co_await sandbox_->Pause();
  if (!done) {
    endpoint_->Release();
    const auto refused = CannotSuspend(done.error().code(), done.error().ToString());
    Settled();
    co_return refused;
  }
  // Between calls a function is frozen, as in Lambda: its timers go on, but do not wake it.
  paused_until_.reset();
  if (call_ && deadline) paused_until_ = SteadyTime{*deadline};
  if (call_ && !clock_stands_) StopClock(workplace_.clock.Steady());
  obstacle_.clear();
  failures_ = 0;
  reason_ = reason;
  static_cast<void>(life_.Move(State::kFrozen, std::move(reason)));
  moving_ = false;
  Rescheduled();
  report.took = workplace_.clock.Steady() - begun;
  report.memory_after = sandbox_->cgroup().MemoryBytes();
  SchedulePaused();
  report.instance = View();
  if (!alive_) ProcessEnded(exit_status_);
  co_return report;
}

asio::awaitable<Result<MoveReport>> Instance::UnpauseContainer(std::string reason) {
  if (moving_ || ending_) {
    co_return godwit::Fail(Code::kConflict, "instance '{}' is {} and cannot be resumed", id_.text,
                           moving_ ? "on its way to another state" : ToString(state()));
  }
  ++operations_;
  const ScopeExit leave([&] {
    --operations_;
    Rescheduled();
  });
  moving_ = true;
  workplace_.no_wake(id_);
  const SteadyTime begun = workplace_.clock.Steady();
  reason_ = reason;
  static_cast<void>(life_.Move(State::kResuming, reason));
  if (Result<> done = co_await sandbox_->Unpause(); !done) {
    done = std::move(done).Within("cannot resume '{}'", id_.text);
    log_line_.Error("{}", done.error().ToString());
    obstacle_ = done.error().reason();
    static_cast<void>(life_.Move(State::kFrozen, done.error().reason()));
    try_again_at_ = workplace_.clock.Steady() + kRetry;
    moving_ = false;
    Rescheduled();
    if (call_) workplace_.wake_at(id_, try_again_at_, Nanos(0));
    if (!alive_) ProcessEnded(exit_status_);
    co_return std::unexpected(std::move(done).error());
  }
  endpoint_->Release();
  obstacle_.clear();
  MoveReport report;
  report.memory_before = sandbox_->cgroup().MemoryBytes();
  const SteadyTime now = call_started_ = still_since_ = workplace_.clock.Steady();
  cpu_seen_ = 0;
  report.took = now - begun;
  LearnResumeCost(report.took);
  // Long before its time it is back by hand: it may be put away again.
  const bool early = paused_until_ && *paused_until_ > now && *paused_until_ - now < kMostEarly &&
                     !IsPausedFor(callbacks_);
  due_ = early ? *paused_until_ : SteadyTime{};
  paused_until_.reset();
  static_cast<void>(life_.Move(call_ ? State::kBusy : State::kReady, std::move(reason)));
  report.memory_after = sandbox_->cgroup().MemoryBytes();
  clock_stood_ = true;
  StartClock(early ? due_ : now);
  Settled();
  report.instance = View();
  co_return report;
}

}  // namespace godwit::functions
