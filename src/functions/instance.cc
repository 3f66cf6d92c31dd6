#include "functions/instance.h"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/try.h"
#include "checkpoint/activity.h"
#include "functions/abroad.h"
#include "functions/environment.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

constexpr uint32_t kFirstUid =
    1'000'000'000;  // above every range that systems hand out, below 2^31

constexpr Nanos kInitLimit =
    std::chrono::seconds(10);  // Lambda's; a function with a longer timeout has that

constexpr Nanos kTrialBlocked = std::chrono::milliseconds(500);

constexpr Nanos kAtRest = std::chrono::milliseconds(50);  // without an instruction: may soon move

// A user of its own for each instance, the same for all of its life.
uint32_t UidOf(const InstanceId& id) {
  uint32_t low = 0;
  std::from_chars(id.text.data() + id.text.size() - 7, id.text.data() + id.text.size(), low, 16);
  return kFirstUid + low;
}

}  // namespace

Nanos ClockOffset(const InstanceFacts& facts, const Workplace& workplace) {
  if (facts.boot == workplace.boot) return facts.clock_offset;
  // Another boot has another CLOCK_MONOTONIC: what passed meanwhile is read off the wall clock.
  const Nanos away = std::max(Nanos(0), workplace.clock.Wall() - facts.wall);
  return facts.clock + away - workplace.clock.Steady().since_boot;
}

Instance::Instance(Workplace& workplace, Owner& owner, InstanceId id,
                   std::shared_ptr<const Function> function, Beginning beginning)
    : workplace_(workplace),
      owner_(owner),
      id_(std::move(id)),
      shared_function_(std::move(function)),
      function_(*shared_function_),
      beginning_(std::move(beginning)),
      uid_(UidOf(id_)),
      log_line_(workplace.log.Named(id_.text)),
      life_(id_, State::kStarting, workplace.clock, workplace.observe),
      log_(workplace.executor, Home(), workplace.logs, function_.spec.name),
      link_(function_.spec.subnets.empty() ? nullptr : workplace.network),
      criu_(workplace, uid_),
      is_clone_(beginning_.clone_of != nullptr),
      changed_(workplace.executor, asio::steady_timer::time_point::max()),
      timeout_(workplace.executor),
      gate_(workplace.executor) {}

Instance::Instance(Workplace& workplace, Owner& owner, KeptInstance kept, PendingCall::Done done)
    : workplace_(workplace),
      owner_(owner),
      id_(kept.facts.instance),
      shared_function_(kept.facts.function),
      function_(*shared_function_),
      uid_(kept.facts.uid),
      log_line_(workplace.log.Named(id_.text)),
      life_(id_, State::kSuspended, workplace.clock, workplace.observe),
      log_(workplace.executor, Home(), workplace.logs, function_.spec.name),
      link_(kept.facts.address ? workplace.network : nullptr, kept.facts.address),
      criu_(workplace, uid_),
      asked_once_(true),
      kept_(std::move(kept)),
      reason_("found on disk"),
      epoch_(kept_->facts.epoch),
      changed_(workplace.executor, asio::steady_timer::time_point::max()),
      timeout_(workplace.executor),
      gate_(workplace.executor) {
  if (kept_->facts.call) {
    call_ = PendingCall{*kept_->facts.call, std::move(done), true};
    delivered_ = true;
    awake_before_ = kept_->facts.awake;
    callbacks_ = kept_->callbacks;
    for (const SavedSession& session : kept_->facts.sessions)
      callbacks_taken_ = std::max(callbacks_taken_, std::min(session.callback.number, callbacks_));
  }
  clock_offset_ = ClockOffset(kept_->facts, workplace_);
  suspensions_ = kept_->facts.sequence;
  image_ = workplace_.images->Own(*kept_);
  workplace_.images->SyncLater(id_, image_);
}

Instance::~Instance() = default;

std::vector<int> Instance::Pids() const {
  return sandbox_ ? sandbox_->cgroup().Pids() : std::vector<int>();
}

std::string Instance::Temporary() const {
  return fmt::format("/proc/{}/root/tmp", sandbox_->init_pid());
}

InstanceView Instance::View() const {
  InstanceView view;
  view.id = id_;
  view.function = function_.spec.name;
  view.state = state();
  if (call_) view.request = call_->invocation.id;
  if (sandbox_) view.memory_bytes = sandbox_->cgroup().MemoryBytes();
  if (state() == State::kSpilled) view.image_bytes = spilled_bytes_;
  if (state() == State::kSuspended || state() == State::kResuming) {
    view.image_bytes = kept_ ? kept_->image_bytes : 0;
    if (kept_ && kept_->facts.deadline) {
      view.wakes_at = workplace_.clock.Wall() +
                      (*kept_->facts.deadline - workplace_.InstanceClock(clock_offset_));
    }
  }
  const bool away = state() == State::kSuspended || state() == State::kResuming || IsPaused();
  view.reason = obstacle_.empty() ? reason_
                                  : fmt::format("{}; not {}: {}", reason_,
                                                away ? "brought back" : "put away", obstacle_);
  if (state() == State::kFrozen && paused_until_)
    view.wakes_at = workplace_.clock.Wall() + (*paused_until_ - workplace_.clock.Steady());
  view.since = life_.since();
  view.pid = alive_ ? process_.outside : 0;
  if (link_.address()) view.address = link_.address().ToString();
  return view;
}

bool Instance::Rests() const {
  return (state() == State::kSuspended || IsPaused()) && !call_ && !moving_ &&
         workplace_.clock.Steady() >= try_again_at_;
}

void Instance::Rescheduled() { changed_.cancel(); }

void Instance::Stop(const std::string& reason, Error why) {
  if (ending_) return;
  ending_ = true;
  if (call_) {
    PendingCall call = *std::move(call_);
    call_.reset();
    call.done(call, std::unexpected(std::move(why)));
  }
  if (failed_start_ && failed_start_->body.empty()) {  // a body is in the function's own words
    log_.Note(InitFailureLines(failed_start_->type, failed_start_->message,
                               workplace_.clock.Steady() - awake_since_, workplace_.clock.Wall()));
  }
  reason_ = reason;
  if (epoch_ != 0 && workplace_.abroad != nullptr) workplace_.abroad->Ended(id_, epoch_);
  static_cast<void>(life_.Move(State::kStopped, reason));
  Rescheduled();
  static_cast<void>(gate_.Spawn([](Instance* self) -> asio::awaitable<void> {
    while (self->moving_) co_await self->changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    self->log_.Flush();
    co_await self->Discard();
    co_await self->TearDown();
    self->owner_.HasEnded(*self);
  }(this)));
}

// Drops what the store holds of it, if it ends while it is put away.
asio::awaitable<void> Instance::Discard() {
  last_image_.reset();
  if (!kept_) co_return;
  const ImageShelf::Held image = std::move(image_);
  kept_.reset();
  if (!image) co_return;
  const Result<> dropped = co_await workplace_.journal.Write(
      [&](storage::Database& database) { return DropInstance(database, id_); });
  if (!dropped) {
    log_line_.Warning("{}", dropped.error().ToString());
    co_return;  // the next start finds the two together
  }
  image->Drop();
}

// By itself: not if as many are on their way already, but at one of the next looks.
void Instance::PutAway(const char* reason) {
  if (StaysAwake() || workplace_.suspending >= kSideBySide) return;
  if (workplace_.clock.Steady() < try_again_at_) return SpillInstead(reason);
  static_cast<void>(gate_.Spawn(GoWhereItBelongs(state(), reason)));
}

// Whoever tries it does not want to wait as long as a patient node does.
Nanos Instance::BlockedAfter() const {
  const Nanos patience = workplace_.settings.blocked_after;
  return beginning_.trial ? std::min(patience, kTrialBlocked) : patience;
}

// Ten times a second, so everything here is one cheap look.
void Instance::Tick() {
  criu_.DropStale();
  if (moving_ || ending_ || !sandbox_ || state() == State::kSuspended) return;
  const SteadyTime now = workplace_.clock.Steady();
  if (log_.WasTrimmed())
    log_line_.Warning("its log was longer than {} bytes and has lost its beginning",
                      RunningLog::kMaxBytes);
  const auto& settings = workplace_.settings;
  if (state() == State::kStarting) {
    const Nanos limit = std::max<Nanos>(kInitLimit, function_.spec.timeout);
    if (now - awake_since_ < limit) return;
    const double seconds = std::chrono::duration<double>(limit).count();
    failed_start_ = FailedStart{"Sandbox.Timedout",
                                fmt::format("Init timed out after {:.2f} seconds", seconds), ""};
    Stop("did not initialise in time", Error(Code::kTimeout, failed_start_->message));
    return;
  }
  if (IsPaused()) return;
  if (state() == State::kFrozen || state() == State::kSpilled) return TickAway(now);
  if (state() == State::kReady) {
    if (call_) return;
    if (now - still_since_ >= kAtRest) PrepareMove();
    if (now - still_since_ >= settings.idle_after) {
      PutAway("idle");
    } else if (now - still_since_ >= settings.freeze_after && !StaysAwake() &&
               !sandbox_->pauses()) {
      FreezeIdle();
    }
    return;
  }
  if (state() != State::kBusy && state() != State::kBlocked) return;
  if (!call_ || !delivered_ ||
      now - call_started_ < std::min(BlockedAfter(), Nanos(std::chrono::milliseconds(250))))
    return;
  const uint64_t cpu = sandbox_->cgroup().CpuNanos();
  if (cpu != cpu_seen_) {
    cpu_seen_ = cpu;
    still_since_ = now;
    looked_ = false;
    if (state() == State::kBlocked) {
      StartClock(now);
      reason_ = "runs again";
      static_cast<void>(life_.Move(State::kBusy, reason_));
    }
    return;
  }
  if (now - still_since_ >= kAtRest) PrepareMove();
  if (now - still_since_ < BlockedAfter()) return;
  if (state() == State::kBusy) {
    if (!checkpoint::ReadActivity(Pids()).asleep) return;
    reason_ = "its call waits";
    static_cast<void>(life_.Move(State::kBlocked, reason_));
    // It waits since its last instruction; that it is not put away at once is not its fault.
    const bool may_leave = beginning_.trial || !settings.keep_awake;
    if (may_leave && (workplace_.criu || sandbox_->pauses()) && obstacle_.empty())
      StopClock(still_since_);
  }
  if (beginning_.trial) return;
  if (sandbox_->pauses() && !function_.spec.subnets.empty()) {
    obstacle_ = "a container that is paused hears no packet, and it has a network";
    return;
  }
  // Brought back a little early for what it waits for: it is not put away again just before.
  if (now < due_ + settings.blocked_after) return;
  PutAway(callbacks_awaited_ > 0 ? "its call waits for a callback" : "its call waits");
}

void Instance::Exited(int inside, int status) {
  if (state() == State::kStarting && process_.inside == 0) early_exit_ = {inside, status};
  if (inside != process_.inside || !alive_) return;
  alive_ = false;
  exit_status_ = status;
  Rescheduled();
  if (!moving_ && !ending_) ProcessEnded(status);
}

// After a move that left it in memory: what happened meanwhile is made up for.
void Instance::Settled() {
  moving_ = false;
  Rescheduled();
  if (ending_) return;
  if (!alive_) {
    ProcessEnded(exit_status_);
  } else if (state() == State::kReady && !call_) {
    owner_.WantsCall(*this);
  } else if (call_ && !clock_stands_) {
    ArmTimeout();
  }
}

// The function ended by itself: its call, if any, fails as Lambda has it.
void Instance::ProcessEnded(int status) {
  const bool out_of_memory = sandbox_ && sandbox_->ran_out_of_memory();
  const std::string how =
      WIFSIGNALED(status)
          ? std::string(WTERMSIG(status) == SIGKILL
                            ? "signal: killed"
                            : fmt::format("signal: {}", ::strsignal(WTERMSIG(status))))
          : fmt::format("exit status {}", WEXITSTATUS(status));
  const std::string type = out_of_memory ? "Runtime.OutOfMemory" : "Runtime.ExitError";
  const std::string message = fmt::format("Runtime exited with error: {}", how);
  if (!asked_once_ && !failed_start_) failed_start_ = FailedStart{type, message, ""};
  FinishWith(type, message);
  const std::string reason = out_of_memory
                                 ? fmt::format("out of memory ({} MB)", function_.spec.memory_mb)
                                 : "ended: " + how;
  Stop(reason, Error(Code::kUnavailable, reason));
}

asio::awaitable<void> Instance::TearWallsDown() {
  while (leaving_) co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
  co_await criu_.Still();
  criu_.Drop();
  if (endpoint_) co_await endpoint_->Close();
  endpoint_.reset();
  if (memory_) co_await memory_->Close();
  if (sandbox_) co_await sandbox_->Destroy();
  memory_.reset();
  sandbox_.reset();
}

void Instance::LeaveWalls() {
  const bool away = state() == State::kSuspended && !moving_ && !ending_;
  if (away && sandbox_ && !staged_ && !leaving_) static_cast<void>(gate_.Spawn(RunLeaveWalls()));
}

// Whoever brings it back meanwhile waits until they are gone.
asio::awaitable<void> Instance::RunLeaveWalls() {
  ++operations_;
  leaving_ = true;
  const auto endpoint = std::move(endpoint_);
  const auto sandbox = std::move(sandbox_);
  auto memory = std::move(memory_);  // it speaks to these walls
  ScheduleWake();
  co_await criu_.Still();
  criu_.Drop();
  if (endpoint) co_await endpoint->Close();
  if (memory) co_await memory->Close();
  co_await sandbox->Destroy();
  memory.reset();
  co_await Offload(workplace_.pool, [&] { return ::rmdir(Staging().c_str()); });
  leaving_ = false;
  --operations_;
  Rescheduled();
}

asio::awaitable<void> Instance::TearDown() {
  workplace_.no_wake(id_);
  co_await TearWallsDown();
  if (state() == State::kSuspended) co_return;  // its files wait with its image
  co_await Offload(workplace_.pool, [home = Home(), staging = Staging()] {
    std::error_code error;
    std::filesystem::remove_all(home, error);
    std::filesystem::remove_all(staging, error);
    return 0;
  });
}

asio::awaitable<void> Instance::Still() {
  while (operations_ > 0 || moving_)
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> Instance::Close() {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await Still();
  ending_ = true;
  Rescheduled();
  timeout_.cancel();
  co_await gate_.Drain();
  if (call_) {
    // Its caller is told now; a call on disk, or one that is kept, goes on with the next node.
    const PendingCall call = *std::move(call_);
    call_.reset();
    call.done(call, call.kept ? godwit::Fail(Code::kClosing,
                                             "the node is shutting down; the call is kept (`godwit "
                                             "result {}` after the next start)",
                                             call.invocation.id.text)
                              : godwit::Fail(
                                    Code::kClosing,
                                    "the node is shutting down (call again after the next start)"));
  }
  log_.Flush();
  co_await WriteRow();
  co_await TearDown();
}

}  // namespace godwit::functions
