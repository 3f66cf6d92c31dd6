#pragma once

// One living function: a sandbox, a process in it, at most one call, and the way to put it all away
// and bring it back.
//
// The owner (a Crew) starts it, hands it calls when it is READY, and is told by Owner when it wants
// work and when it has ended. Suspend() and Resume() are lines of named steps in files of their own
// (instance_suspend.cc, instance_resume.cc); what it does for callbacks is in
// instance_callbacks.cc. Threads: the loop. Lifetime: Close() before it is
// destroyed. Failure: of a suspension: the instance goes on as it was, and View() says why; of a
// resume: it is SUSPENDED still, and tried again if a call waits in it, or LOST (a broken image)
// and its call fails.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/gate.h"
#include "checkpoint/remedies.h"
#include "functions/call_report.h"
#include "functions/codec.h"
#include "functions/criu_worker.h"
#include "functions/image_shelf.h"
#include "functions/lifecycle.h"
#include "functions/link.h"
#include "functions/model.h"
#include "functions/paged_memory.h"
#include "functions/platform.h"
#include "functions/running_log.h"
#include "functions/runtime_port.h"
#include "functions/schema.h"
#include "functions/template.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Instance;
class Resumption;

// A call on its way: what is asked, and who is told what came of it, exactly once.
struct PendingCall {
  using Done = std::function<void(const PendingCall&, Result<Outcome>)>;
  Invocation invocation;
  Done done;
  bool kept = false;  // the store has a record of it
};

// Why an instance never became READY: an error of its runtime, or that runtime's own error object.
struct FailedStart {
  std::string type, message;
  std::string body;  // if not empty, instead of the two
};

// Lambda's error object for what the platform, not the function, has to report.
std::string ErrorObject(const RequestId& id, const std::string& type, const std::string& message);

// Of the CLOCK_MONOTONIC of an instance that comes back from there.
Nanos ClockOffset(const InstanceFacts& facts, const Workplace& workplace);

class Owner {
 public:
  virtual ~Owner() = default;
  // Without a call, and READY, or FROZEN or SPILLED (Instance::ReadyForCall): the owner may
  // Assign() one before it returns.
  virtual void WantsCall(Instance& instance) = 0;
  // STOPPED or LOST; to be closed and destroyed, but not from within this call.
  virtual void HasEnded(Instance& instance) = 0;
};

class Instance final : public RuntimeCalls {
 public:
  static constexpr int kSideBySide = 4;  // suspensions that nobody asked for by hand
  static constexpr Nanos kLookEvery = std::chrono::milliseconds(100);  // how often Tick() is called

  // A new one, STARTING.
  Instance(Workplace& workplace, Owner& owner, InstanceId id,
           std::shared_ptr<const Function> function, Beginning beginning = {});
  // One found in the store, SUSPENDED. `done` is told of the result of the call that it runs, if
  // any.
  Instance(Workplace& workplace, Owner& owner, KeptInstance kept, PendingCall::Done done);
  ~Instance() override;

  const InstanceId& id() const { return id_; }
  const Function& function() const { return function_; }
  State state() const { return life_.state(); }
  bool moving() const { return moving_; }
  bool idle() const { return !call_; }
  // Put away without a call, and may be brought back for one.
  bool Rests() const;
  const std::optional<PendingCall>& call() const { return call_; }
  const std::optional<FailedStart>& failed_start() const { return failed_start_; }
  // The template that it is a clone of, as long as it has not asked for a call.
  const Template* unborn_clone_of() const { return beginning_.clone_of.get(); }
  // Of a clone that is not wanted yet: puts its walls up, and in them everything before its first
  // instruction. Start() follows, or Stop().
  void BuildAhead();
  bool started() const { return started_; }
  bool built_ahead() const { return built_ahead_ && sandbox_ && !moving_; }
  // Of a baker: that its runtime is ready to be a template.
  bool asks_for_restore() const { return asks_for_restore_; }
  // Of a baker that is put away: its image, which is its owner's from now on.
  std::pair<KeptInstance, ImageShelf::Held> GiveImage();
  // Its image would not survive a power cut: it goes on, if it is put away in that one.
  void ImageIsUnsafe(const storage::BlobId& image, const Error& why);
  InstanceView View() const;
  void FlushLog() { log_.Flush(); }
  std::vector<int> Pids() const;

  // Of one found on disk: sees to what it waits for.
  void Found();
  // Says when what it sleeps on is due, if it is known; a callback or a packet that it waits for is
  // due at once.
  void ScheduleWake();
  network::Address address() const { return link_.address(); }
  // Somebody outside speaks to one of its sockets while it is put away.
  void Knocked();
  // Its walls go, and are built anew at its way back; nothing of it but its files is left.
  void LeaveWalls();
  std::string_view WakeReason() const;
  // The store has the call's callbacks below `count`: who waits for one gets it.
  void CallbacksCame(const RequestId& call, uint32_t count);
  // From now on its call is in the store, or will be before it ends.
  void KeepCall() { call_->kept = true; }
  // How many of its call's callbacks the function has asked for, as far as they came.
  uint32_t callbacks_taken() const { return callbacks_taken_; }

  // Builds the sandbox and starts the runtime; READY or STOPPED follows by itself.
  void Start();
  // Runs the call; the instance is READY.
  void Assign(PendingCall call);
  // Puts it away; with `wake_at_once` what ran, and did not wait, is due again at once. kConflict
  // in a state that cannot be, kBusy in the middle of a message, kUnsupported if CRIU refuses.
  boost::asio::awaitable<Result<MoveReport>> Suspend(std::string reason, bool wake_at_once = false);
  // Brings it back. kConflict if it is not SUSPENDED.
  boost::asio::awaitable<Result<MoveReport>> Resume(std::string reason);
  // Puts it into FROZEN or SPILLED, and brings it back from there, whole (instance_tiers.cc).
  boost::asio::awaitable<Result<MoveReport>> PutInto(Tier tier, std::string reason);
  boost::asio::awaitable<Result<MoveReport>> TakeBack(std::string reason);
  // What a governor has to know of it, and what it made of that, for people.
  placement::Candidate AsCandidate() const;
  placement::Facts Why() const;
  // Memory is wanted: goes where it belongs now. False if it stays where it is.
  bool GiveWay();
  // Whether it could still give memory back by itself.
  bool IsAwake() const;
  // Whether it can be given a call now; one that is FROZEN or SPILLED runs again for it.
  bool ReadyForCall();
  // What stood in the way when it was to be put away last; empty: nothing, or nobody knows.
  const std::string& obstacle() const { return obstacle_; }
  // The same of a dump: all that was found.
  const std::vector<checkpoint::Obstacle>& obstacles() const { return obstacles_; }
  // Once, while it is at rest without a call: what it has changed of its programs' variables
  // becomes memory that can come late (checkpoint/own_memory.h). It runs on if that cannot be.
  boost::asio::awaitable<void> OwnMemory();
  // Ends it: its call fails with `why`.
  void Stop(const std::string& reason, Error why);
  // Whatever it waits for, it does not come back by itself any more until Release(): it is to be
  // sent to another node (instance_leave.cc). kBusy if it is held already.
  Result<> Hold(std::string reason);
  void Release();
  bool held() const { return held_; }
  // kBusy while it is held.
  Result<> CheckFree() const;
  // Of one that is held and put away: MOVED. Its row is gone, and its call is whoever's that waits
  // for its result; its image is not needed here.
  struct Farewell {
    std::optional<PendingCall> call;
    std::vector<KeptCallback> callbacks;  // of it, to the last one that was accepted here
  };
  boost::asio::awaitable<Farewell> LeaveFor(std::string node);
  // What the store has of it while it is put away.
  const std::optional<KeptInstance>& kept() const { return kept_; }
  const ImageShelf::Held& image() const { return image_; }
  const ImageShelf::Held& last_image() const { return last_image_; }
  // It began as a clone of its function's template, and has much of that's memory.
  bool is_clone() const { return is_clone_; }
  // Others know of it from now on, by this number (Abroad).
  boost::asio::awaitable<Result<>> NoteEpoch(int64_t epoch);
  int64_t epoch() const { return epoch_; }
  // Another node has taken it over: it ends here, and nothing of it reaches anybody.
  boost::asio::awaitable<std::optional<PendingCall>> Fence(std::string node);
  // Looked at ten times a second: marks it BLOCKED, puts it away when it is time.
  void Tick();
  // Waits until it is not on its way to another state.
  boost::asio::awaitable<void> Still();
  // Leaves a suspended one on disk, ends any other; then nothing runs.
  boost::asio::awaitable<void> Close();

  // RuntimeCalls.
  boost::asio::awaitable<Result<Next>> AwaitNext() override;
  boost::asio::awaitable<Result<>> AwaitCallback(CallbackRef callback) override;
  boost::asio::awaitable<Result<std::string>> ReadCallback(CallbackRef callback) override;
  bool Runs(std::string_view id) const override {
    return call_ && delivered_ && call_->invocation.id.text == id;
  }
  Result<> Respond(const std::string& id, std::string payload) override;
  Result<> Fail(const std::string& id, std::string error_type, std::string body) override;
  Result<> InitFailed(std::string error_type, std::string body) override;
  boost::asio::awaitable<Result<std::string>> AwaitRestore() override;
  Result<> RestoreFailed(std::string error_type, std::string body) override;

 private:
  friend class Suspension;
  friend class Resumption;

  // By the engine whose container it is.
  bool IsPaused() const { return state() == State::kFrozen && sandbox_ && sandbox_->pauses(); }
  State StateBehind() const;
  bool CanPutInto(Tier tier) const;
  // Waits until nothing else stops it, or uses its staging directory.
  boost::asio::awaitable<void> Unstopped();
  boost::asio::awaitable<Result<>> FreezeAll();
  Result<> Thaw();
  boost::asio::awaitable<Result<>> SpillAll();
  boost::asio::awaitable<Result<>> MakeWhole();
  boost::asio::awaitable<void> WatchFrozen();
  PagedMemory& Paged();
  void MemoryBroken(const std::string& why);
  void RunAgain(const char* reason);
  void FreezeIdle();
  void TickAway(SteadyTime now);
  void SpillInstead(const char* reason);
  void NoteCost(Tier tier, const MoveReport& report);
  void NoteAssigned();
  placement::Rules Rules() const;
  boost::asio::awaitable<void> GoWhereItBelongs(State seen, std::string reason);
  boost::asio::awaitable<void> RunStart();
  boost::asio::awaitable<void> RunClone();
  void KeepTemplate(Nanos clock_offset);
  void NotCloned(const Error& why);
  boost::asio::awaitable<Result<>> BringCloneIn();
  boost::asio::awaitable<Result<>> BringCloneUp();
  boost::asio::awaitable<Result<>> BuildWalls(Nanos clock_offset);
  // instance_container.cc
  boost::asio::awaitable<Result<>> BuildContainer();
  boost::asio::awaitable<Result<MoveReport>> PauseContainer(std::string reason);
  boost::asio::awaitable<Result<MoveReport>> UnpauseContainer(std::string reason);
  bool IsPausedFor(uint32_t callbacks) const;  // FROZEN, and waits for one below that
  void SchedulePaused();
  boost::asio::awaitable<void> WatchTime();
  boost::asio::awaitable<void> TearWallsDown();
  boost::asio::awaitable<void> RunLeaveWalls();
  boost::asio::awaitable<void> TearDown();
  void Exited(int inside, int status);
  void Settled();
  boost::asio::awaitable<void> Discard();
  void ProcessEnded(int status);
  void Finish(Outcome outcome, const std::string& said = "");
  void FinishWith(const std::string& type, const std::string& message);
  void CallStarted();
  void PutAway(const char* reason);
  // Nothing but a hand puts it away.
  // A trial and a baker are moved by their owners alone.
  bool StaysAwake() const {
    return workplace_.settings.keep_awake || beginning_.trial || beginning_.bakes;
  }
  Nanos BlockedAfter() const;
  void ArmTimeout();
  // What counts for the call's Timeout: all its time, but for what it waited BLOCKED, from its last
  // instruction on, SUSPENDED, or back before its time.
  Nanos AwakeTime() const;
  CallReport Report() const;
  void NoteMemoryPeak();
  void StopClock(SteadyTime since);
  void StartClock(SteadyTime from);
  void Rescheduled();
  bool CallbackIsDue() const;  // put away, and waits for one that came
  bool IsDue() const { return CallbackIsDue() || (call_ && link_.HasRung()); }
  boost::asio::awaitable<void> AwaitPackets();
  std::string Home() const { return workplace_.directories.instances + "/" + id_.text; }
  std::string Staging() const { return workplace_.directories.staging + "/" + id_.text; }
  std::string Temporary() const;  // the instance's /tmp, seen from the host
  void WriteDeadline() const;
  void LearnResumeCost(Nanos took);
  void AllowForks() const;
  void PrepareMove();
  std::unexpected<Error> CannotSuspend(Code code, std::string why);
  void LeaveImage();
  boost::asio::awaitable<void> Tidy();
  boost::asio::awaitable<void> WriteRow();
  boost::asio::awaitable<void> Conclude(PendingCall call, Outcome outcome);
  boost::asio::awaitable<void> PutBack(bool committed, const Error& why);
  boost::asio::awaitable<void> Lose(const Error& why);

  Workplace& workplace_;
  Owner& owner_;
  InstanceId id_;
  std::shared_ptr<const Function> shared_function_;  // with others of its revision
  const Function& function_;
  Beginning beginning_;
  uint32_t uid_;
  Log log_line_;
  Lifecycle life_;
  RunningLog log_;
  Link link_;
  CriuWorker criu_;

  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<PagedMemory> memory_;  // once a part of it was on disk
  uint64_t spilled_bytes_ = 0;
  std::vector<checkpoint::Timeout> timeouts_;  // to be written when it is thawed
  bool refused_ = false;                       // CRIU did not take it, when it was asked last
  placement::Costs costs_;
  placement::Learnt between_calls_{Nanos(0)};
  SteadyTime assigned_{};  // its last call
  SteadyTime spilled_at_{};
  std::optional<SteadyTime> wakes_;  // of the wait that it is in
  bool looked_ = false;              // wakes_ is known, as far as it can be
  SteadyTime spill_again_at_{};      // after a spill that failed
  std::unique_ptr<RuntimeEndpoint> endpoint_;
  sandbox::Process process_;
  std::optional<std::pair<int, int>>
      early_exit_;           // pid inside and status, before process_ is known
  bool alive_ = false;       // the process is there
  int exit_status_ = 0;      // of waitpid(2), when it was
  bool asked_once_ = false;  // the runtime has asked for a call: it is initialised
  bool asks_for_restore_ = false;
  std::shared_ptr<const Template> teaches_;  // it was cloned of, and has not had its first call
  bool built_ahead_ = false;                 // its walls stood before it was started
  std::shared_ptr<Resumption> ahead_;        // what stands in them
  bool started_ = false;
  int operations_ = 0;    // moves under way, to their last tidying
  bool tidying_ = false;  // removes the staged files of a resume
  bool owns_memory_ = false;
  bool owning_ = false;   // OwnMemory() is under way: nobody else may stop it
  bool leaving_ = false;  // its walls go while it is put away
  bool moving_ = false;   // between two states
  bool ending_ = false;   // Stop() was called, or the process ended
  std::optional<FailedStart> failed_start_;

  std::optional<PendingCall> call_;
  bool delivered_ = false;  // the runtime has it
  bool awaiting_ = false;   // a connection is in AwaitNext()
  uint32_t callbacks_ = 0;  // of this call, that are known to be in the store
  uint32_t callbacks_taken_ = 0;
  int callbacks_awaited_ = 0;  // connections in AwaitCallback()
  SteadyTime call_started_{};
  SteadyTime call_began_{};  // under this node; not moved by a resume
  uint64_t call_log_from_ = 0;
  uint64_t memory_peak_ = 0;  // before its control group was made anew
  Nanos awake_before_{};      // of this call, when its clock was stopped last
  SteadyTime awake_since_{};
  bool clock_stands_ = true;
  bool clock_stood_ = false;  // during this call: the runtime was told another deadline
  SteadyTime timeout_armed_for_ = SteadyTime{Nanos::max()};

  uint64_t cpu_seen_ = 0;      // nanoseconds
  SteadyTime still_since_{};   // no instruction since then
  SteadyTime due_{};           // what it was brought back for
  SteadyTime try_again_at_{};  // after a suspension or resume that failed
  int failures_ = 0;           // suspensions in a row that failed
  int resume_failures_ = 0;    // the same of resumes
  std::string obstacle_;
  std::vector<checkpoint::Obstacle> obstacles_;  // of a dump that was refused

  std::optional<SteadyTime> paused_until_;  // while it is FROZEN
  Nanos clock_offset_{};                    // of its CLOCK_MONOTONIC to the host's
  std::optional<KeptInstance> kept_;        // while it is put away
  ImageShelf::Held image_;                  // its image, then, unless it is staged or a template's
  ImageShelf::Held last_image_;             // what it goes on from, and its next image on top of
  uint64_t suspensions_ = 0;                // the last one's number
  bool staged_ = false;                     // its image is nowhere but in the staging directory
  bool row_missing_ = false;                // it is on disk, but the store could not be told yet
  Nanos resume_cost_ = std::chrono::milliseconds(100);  // expected, at first a guess
  std::string reason_;
  bool held_ = false;
  bool is_clone_ = false;
  int64_t epoch_ = 0;

  boost::asio::steady_timer
      changed_;  // cancelled whenever something a coroutine waits for has changed
  boost::asio::steady_timer timeout_;
  Gate gate_;
};

}  // namespace godwit::functions
