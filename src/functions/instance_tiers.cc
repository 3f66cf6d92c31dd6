// The tiers between running and being on disk: FROZEN and SPILLED, there and back.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <thread>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/activity.h"
#include "checkpoint/freeze.h"
#include "checkpoint/inside.h"
#include "checkpoint/own_memory.h"
#include "checkpoint/wakes.h"
#include "functions/bakery.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kFrozenLook = 20ms;    // how often what a frozen call waits for is looked at
constexpr Nanos kMostEarlyThaw = 1ms;  // it is thawed so long before its deadline
constexpr Nanos kSpillPause = 30s;     // before a spill that failed is tried again
constexpr int kEnoughCalls = 3;        // to say when the next one is likely
constexpr Nanos kLateWake = 1s;        // after it was due, what it waits for is looked at again
constexpr int kSettleLooks = 100;      // at processes that go back to their waits
constexpr Nanos kSettleLook = 2ms;
constexpr Nanos kSettling = 300ms;  // on a busy machine they are still on their way back then

}  // namespace

// Where it is when it is whole again.
State Instance::StateBehind() const {
  if (!call_) return State::kReady;
  return clock_stands_ ? State::kBlocked : State::kBusy;
}

bool Instance::CanPutInto(Tier tier) const {
  if (moving_ || ending_ || !alive_ || !sandbox_ || (call_ && !delivered_)) return false;
  switch (state()) {
    case State::kReady:
    case State::kBusy:
    case State::kBlocked:
      return true;
    case State::kFrozen:
      return tier == Tier::kSpilled;
    case State::kSpilled:
      return tier == Tier::kFrozen;
    default:
      return false;
  }
}

asio::awaitable<Result<MoveReport>> Instance::PutInto(Tier tier, std::string reason) {
  if (sandbox_ && sandbox_->pauses()) {
    if (tier == Tier::kFrozen) co_return co_await PauseContainer(std::move(reason));
    co_return godwit::Fail(Code::kUnsupported,
                           "instance '{}' is a container, which its engine can freeze and no more "
                           "(use --tier frozen)",
                           id_.text);
  }
  if (!CanPutInto(tier)) {
    co_return godwit::Fail(Code::kConflict,
                           "instance '{}' is {} and cannot be {} now (try again when it is READY, "
                           "BUSY or BLOCKED)",
                           id_.text, moving_ ? "on its way to another state" : ToString(state()),
                           ToString(tier));
  }
  ++operations_;
  const ScopeExit leave([&] {
    --operations_;
    Rescheduled();
  });
  moving_ = true;
  co_await Unstopped();
  const SteadyTime begun = workplace_.clock.Steady();
  MoveReport report;
  report.memory_before = sandbox_->cgroup().MemoryBytes();
  Result<> done = co_await MakeWhole();
  const State from = state();
  if (done) {
    if (call_) StopClock(from == State::kBlocked ? still_since_ : begun);
    done = tier == Tier::kFrozen ? co_await FreezeAll() : co_await SpillAll();
  }
  if (done) {
    report.took = workplace_.clock.Steady() - begun;
    report.memory_after = sandbox_->cgroup().MemoryBytes();
    reason_ = reason;
    static_cast<void>(life_.Move(StateOf(tier), std::move(reason)));
    NoteCost(tier, report);
  } else if (from != State::kBlocked) {
    StartClock(workplace_.clock.Steady());
  }
  moving_ = false;
  Rescheduled();
  if (ending_) co_return godwit::Fail(Code::kClosing, "the instance ends");
  if (!alive_) {
    Settled();
    co_return godwit::Fail(Code::kClosing, "the instance has ended");
  }
  if (!done) {
    obstacle_ = done.error().reason();
    spill_again_at_ = workplace_.clock.Steady() + kSpillPause;
    log_line_.Warning("cannot put '{}' away: {}", id_.text, done.error().ToString());
    Settled();
    co_return godwit::Fail(done.error().code(), "cannot put '{}' away: {}", id_.text,
                           done.error().ToString());
  }
  if (tier == Tier::kFrozen && call_) static_cast<void>(gate_.Spawn(WatchFrozen()));
  if (!call_) owner_.WantsCall(*this);  // one that came meanwhile has passed it over
  report.instance = View();
  co_return report;
}

asio::awaitable<void> Instance::OwnMemory() {
  if (owns_memory_ || moving_ || ending_ || !alive_ || state() != State::kReady || call_) co_return;
  owns_memory_ = owning_ = true;
  ++operations_;
  const auto owned = co_await Offload(workplace_.pool, [pids = Pids(), offset = clock_offset_] {
    return checkpoint::OwnMemory(pids, offset);
  });
  if (!owned) log_line_.Debug("'{}' comes back more slowly: {}", id_.text, owned.error().reason());
  cpu_seen_ = 0;
  owning_ = false;
  --operations_;
  Rescheduled();
}

asio::awaitable<void> Instance::Unstopped() {
  while (owning_ || tidying_) co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<Result<>> Instance::FreezeAll() {
  GODWIT_CO_TRY(co_await sandbox_->MayFreeze());
  co_return co_await Offload(workplace_.pool, [&]() -> Result<> {
    const sandbox::Cgroup& group = sandbox_->cgroup();
    GODWIT_TRY(timeouts_, checkpoint::FreezeInCalls(group.Pids(), clock_offset_,
                                                    [&] { return group.Freeze(); }));
    GODWIT_TRY(group.AwaitFrozen());
    GODWIT_FAULT(kFrozen);
    return {};
  });
}

Result<> Instance::Thaw() {
  const auto pids = checkpoint::InsidePids(Pids());
  const Nanos now = workplace_.InstanceClock(clock_offset_);
  if (const Result<> written = checkpoint::WriteTimeouts(timeouts_, now, pids); !written)
    log_line_.Warning("{}", written.error().ToString());
  timeouts_.clear();
  GODWIT_TRY(sandbox_->cgroup().Thaw());
  GODWIT_FAULT(kThawed);
  return {};
}

PagedMemory& Instance::Paged() {
  if (!memory_) {
    memory_ = std::make_unique<PagedMemory>(workplace_, *sandbox_,
                                            [this](const std::string& why) { MemoryBroken(why); });
  }
  return *memory_;
}

asio::awaitable<Result<>> Instance::SpillAll() {
  GODWIT_CO_TRY(const auto done, co_await Paged().Spill(Pids(), clock_offset_));
  GODWIT_FAULT(kSpilled);
  spilled_bytes_ = done.bytes;
  log_line_.Debug("'{}' stood still for {} us while {} bytes were put away", id_.text,
                  std::chrono::round<std::chrono::microseconds>(done.stood_still).count(),
                  done.bytes);
  // What they do on their way back into their calls is not taken for work.
  cpu_seen_ = co_await Offload(workplace_.pool, [&] {
    checkpoint::Activity last;
    for (int look = 0; look < kSettleLooks; ++look) {
      const auto now = checkpoint::ReadActivity(Pids());
      if (now.SameAs(last)) break;
      last = now;
      std::this_thread::sleep_for(kSettleLook);
    }
    return sandbox_->cgroup().CpuNanos();
  });
  spilled_at_ = workplace_.clock.Steady();
  co_return Result<>{};
}

// Never zeros: it is ended, and its call told.
void Instance::MemoryBroken(const std::string& why) {
  if (ending_) return;
  const std::string reason = fmt::format("its image is broken: {}", why);
  log_line_.Error("{}", reason);
  if (workplace_.bakery != nullptr) workplace_.bakery->Doubt(function_.spec.name);
  FinishWith("Godwit.ImageLost", reason);
  Stop(reason, Error(Code::kCorrupt, reason));
}

asio::awaitable<Result<>> Instance::MakeWhole() {
  if (state() == State::kFrozen) {
    GODWIT_CO_TRY(Thaw());
  }
  if (memory_ && !memory_->whole()) {
    GODWIT_CO_TRY(co_await memory_->MakeWhole());
  }
  spilled_bytes_ = 0;
  if (state() == State::kFrozen || state() == State::kSpilled) {
    reason_ = "is whole again";
    static_cast<void>(life_.Move(StateBehind(), reason_));
  }
  co_return Result<>{};
}

asio::awaitable<Result<MoveReport>> Instance::TakeBack(std::string reason) {
  if (IsPaused()) co_return co_await UnpauseContainer(std::move(reason));
  if (moving_ || ending_ || (state() != State::kFrozen && state() != State::kSpilled)) {
    co_return godwit::Fail(Code::kConflict, "instance '{}' is {} and cannot be taken back",
                           id_.text, moving_ ? "on its way to another state" : ToString(state()));
  }
  GODWIT_CO_TRY(CheckFree());
  ++operations_;
  const ScopeExit leave([&] {
    --operations_;
    Rescheduled();
  });
  moving_ = true;
  const SteadyTime begun = workplace_.clock.Steady();
  MoveReport report;
  report.memory_before = sandbox_->cgroup().MemoryBytes();
  const bool spilled = state() == State::kSpilled;
  const Result<> whole = co_await MakeWhole();
  if (spilled && whole) costs_.fill.Learn(workplace_.clock.Steady() - begun);
  reason_ = std::move(reason);
  report.took = workplace_.clock.Steady() - begun;
  report.memory_after = sandbox_->cgroup().MemoryBytes();
  cpu_seen_ = 0;
  still_since_ = call_started_ = workplace_.clock.Steady();
  if (call_ && whole) {
    StartClock(still_since_);
    if (state() == State::kBlocked) static_cast<void>(life_.Move(State::kBusy, reason_));
  }
  Settled();
  if (!whole) co_return std::unexpected(whole.error());
  report.instance = View();
  co_return report;
}

// At once: what is missing comes when it is touched.
void Instance::RunAgain(const char* reason) {
  if (state() == State::kFrozen) {
    if (const Result<> thawed = Thaw(); !thawed) log_line_.Error("{}", thawed.error().ToString());
  }
  if (memory_) memory_->FillUp();
  spilled_bytes_ = 0;
  still_since_ = workplace_.clock.Steady();
  cpu_seen_ = 0;
  looked_ = false;
  reason_ = reason;
  if (call_) StartClock(still_since_);
  static_cast<void>(life_.Move(call_ ? State::kBusy : State::kReady, reason_));
  Rescheduled();
}

bool Instance::ReadyForCall() {
  if (moving_ || ending_ || !idle() || IsPaused()) return false;
  if (state() == State::kFrozen || state() == State::kSpilled) RunAgain("a call waits");
  return state() == State::kReady;
}

// A call that was frozen by hand: thawed when it is due, or what it waits for has come.
asio::awaitable<void> Instance::WatchFrozen() {
  const checkpoint::Wakes wakes = co_await Offload(
      workplace_.pool, [&] { return checkpoint::FindWakes(Pids(), clock_offset_); });
  const uint32_t callbacks = callbacks_;
  asio::steady_timer pause(workplace_.executor);
  while (state() == State::kFrozen && !moving_ && !ending_) {
    const Nanos now = workplace_.clock.Steady().since_boot;
    const Nanos left = wakes.deadline ? *wakes.deadline - kMostEarlyThaw - now : kFrozenLook;
    if (left <= Nanos(0)) co_return RunAgain("what it waits for is due");
    if (callbacks_ > callbacks) co_return RunAgain("a callback came");
    if (checkpoint::HasCome(wakes, Pids())) co_return RunAgain("what it waits for has come");
    pause.expires_after(std::min(left, kFrozenLook));
    const auto [cancelled] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled) co_return;
  }
}

// Between calls a function is frozen, as in Lambda.
void Instance::FreezeIdle() {
  if (workplace_.clock.Steady() < spill_again_at_) return;
  static_cast<void>(gate_.Spawn([](Instance* self) -> asio::awaitable<void> {
    if (self->state() != State::kReady || self->call_) co_return;
    static_cast<void>(co_await self->PutInto(Tier::kFrozen, "has no call"));
  }(this)));
}

// Of one that is FROZEN or SPILLED.
void Instance::TickAway(SteadyTime now) {
  if (state() == State::kSpilled) {
    const uint64_t cpu = sandbox_->cgroup().CpuNanos();
    if (cpu != cpu_seen_) {
      cpu_seen_ = cpu;
      if (now >= spilled_at_ + kSettling) return RunAgain("runs again");
    }
  }
  if (!call_ && now - still_since_ >= workplace_.settings.idle_after) PutAway("idle");
}

// What CRIU does not take is put away in place instead.
void Instance::SpillInstead(const char* reason) {
  const bool whole = !memory_ || memory_->whole();
  if (!refused_ || workplace_.pager == nullptr || !whole || state() == State::kSpilled ||
      workplace_.clock.Steady() < spill_again_at_) {
    return;
  }
  static_cast<void>(gate_.Spawn(GoWhereItBelongs(state(), reason)));
}

void Instance::NoteCost(Tier tier, const MoveReport& report) {
  (tier == Tier::kFrozen ? costs_.freeze : costs_.spill).Learn(report.took);
}

void Instance::NoteAssigned() {
  const SteadyTime now = workplace_.clock.Steady();
  if (assigned_ != SteadyTime{}) between_calls_.Learn(now - assigned_);
  assigned_ = now;
  looked_ = false;
}

placement::Rules Instance::Rules() const {
  const Settings& settings = workplace_.settings;
  return {settings.freeze_after, settings.idle_after, settings.blocked_after};
}

placement::Candidate Instance::AsCandidate() const {
  placement::Candidate one;
  one.has_call = call_.has_value();
  if (state() == State::kFrozen) one.tier = Tier::kFrozen;
  if (state() == State::kSpilled) one.tier = Tier::kSpilled;
  if (state() == State::kSuspended) one.tier = Tier::kDisk;
  one.still_since = still_since_;
  if (call_) {
    one.wakes = wakes_;
  } else if (between_calls_.times() >= kEnoughCalls) {
    one.wakes = assigned_ + between_calls_.value();
    one.learnt = true;
  }
  if (kept_ && kept_->facts.deadline)
    one.wakes = SteadyTime{*kept_->facts.deadline - clock_offset_};
  if (sandbox_) one.memory = sandbox_->cgroup().MemoryBytes();
  one.refused = refused_;
  const bool whole = !memory_ || memory_->whole() || state() == State::kSpilled;
  one.may_spill = workplace_.pager != nullptr && whole && (!call_ || delivered_) &&
                  workplace_.clock.Steady() >= spill_again_at_;
  one.costs = costs_;
  return one;
}

placement::Facts Instance::Why() const {
  return placement::Explain(AsCandidate(), workplace_.pressure, Rules(), workplace_.clock.Steady());
}

bool Instance::IsAwake() const {
  switch (state()) {
    case State::kStarting:
    case State::kReady:
    case State::kBusy:
    case State::kBlocked:
    case State::kResuming:
      return true;
    default:
      return moving_;
  }
}

bool Instance::GiveWay() {
  if (moving_ || ending_ || !alive_ || !sandbox_ || sandbox_->pauses() || beginning_.trial)
    return false;
  const bool waits =
      call_ ? state() == State::kBlocked || state() == State::kFrozen || state() == State::kSpilled
            : state() == State::kReady || state() == State::kFrozen || state() == State::kSpilled;
  if (!waits || (state() == State::kFrozen && call_)) return false;  // by hand, and so it stays
  const placement::Candidate one = AsCandidate();
  const auto choice =
      placement::Choose(one, workplace_.pressure, Rules(), workplace_.clock.Steady());
  if (choice.tier <= one.tier) return false;
  if (choice.tier == Tier::kDisk && workplace_.clock.Steady() < try_again_at_) return false;
  static_cast<void>(gate_.Spawn(GoWhereItBelongs(state(), choice.why)));
  return true;
}

// What CRIU does not take, as it turns out, is put away in place instead.
asio::awaitable<void> Instance::GoWhereItBelongs(State seen, std::string reason) {
  if (sandbox_ && sandbox_->pauses()) {
    static_cast<void>(co_await Suspend(std::move(reason)));
    co_return;
  }
  if (call_ && !looked_ && state() == seen && alive_) {
    ++operations_;
    const ScopeExit leave([&] {
      --operations_;
      Rescheduled();
    });
    looked_ = true;
    const checkpoint::Wakes wakes = co_await Offload(
        workplace_.pool,
        [pids = Pids(), offset = clock_offset_] { return checkpoint::FindWakes(pids, offset); });
    wakes_.reset();
    if (wakes.deadline) wakes_ = SteadyTime{*wakes.deadline};
  }
  if (state() != seen || moving_ || ending_) co_return;  // it was given a callback meanwhile
  const auto choice =
      placement::Choose(AsCandidate(), workplace_.pressure, Rules(), workplace_.clock.Steady());
  if (wakes_ && *wakes_ + kLateWake < workplace_.clock.Steady()) looked_ = false;
  switch (choice.tier) {
    case Tier::kAwake:
    case Tier::kFrozen:
      co_return;
    case Tier::kSpilled: {
      const std::string obstacle = refused_ ? obstacle_ : "";
      const auto done = co_await PutInto(Tier::kSpilled, refused_ ? reason : choice.why);
      if (done && !obstacle.empty()) obstacle_ = obstacle;  // why it is not on disk
      co_return;
    }
    case Tier::kDisk:
      static_cast<void>(co_await Suspend(std::move(reason)));
  }
}

}  // namespace godwit::functions
