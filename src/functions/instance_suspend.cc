// How an instance is put away: each step in order, and one way back for all of them.
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/clone.h"
#include "checkpoint/core_image.h"
#include "checkpoint/criu.h"
#include "checkpoint/image.h"
#include "checkpoint/inside.h"
#include "checkpoint/late_memory.h"
#include "checkpoint/obstacles.h"
#include "checkpoint/ready.h"
#include "checkpoint/rest.h"
#include "checkpoint/sockets.h"
#include "checkpoint/timers.h"
#include "checkpoint/waits.h"
#include "functions/abroad.h"
#include "functions/bakery.h"
#include "functions/criu_worker.h"
#include "functions/environment.h"
#include "functions/image_bond.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

constexpr int kPatience = 40;  // looks, kLook apart, at a message that is still on its way
constexpr Nanos kLook = 10ms;
constexpr int kLastMomentLooks = 1000;                      // of a test
constexpr uint32_t kImageChunk = storage::kLeastBlobChunk;  // a page that is missed opens one
constexpr int kMostChances = 3;     // to be put away at the next look, in a row
constexpr Nanos kFirstPause = 30s;  // before a refused suspension is tried again; doubled each time
constexpr int kMostDoublings = 7;

// The error, whose descriptor it is about, and what else there is.
std::vector<checkpoint::Obstacle> WhatStoodInTheWay(const Error& error,
                                                    const std::vector<int>& pids) {
  if (error.code() != Code::kUnsupported) return {};
  return checkpoint::WhyRefused(error.reason(), pids);
}

// What an image has of its call: the function has its payload.
Invocation WithoutPayload(const Invocation& call) {
  Invocation bare;
  bare.id = call.id;
  bare.function = call.function;
  bare.kind = call.kind;
  bare.attempt = call.attempt;
  bare.accepted = call.accepted;
  bare.home = call.home;
  return bare;
}

}  // namespace

// One suspension. Its steps run partly on the pool, while CRIU holds the processes still.
class Suspension {
 public:
  explicit Suspension(Instance& instance)
      : self_(instance),
        work_(instance.workplace_),
        blocked_(instance.state() == State::kBlocked),
        has_call_(instance.call_.has_value()),
        still_since_(instance.still_since_),
        sequence_(++instance.suspensions_),
        epoch_(instance.epoch_) {}

  asio::awaitable<Result<>> HoldConnections() {
    Result<> held;
    for (int look = 0; look < kPatience; ++look) {
      held = self_.endpoint_->Hold();
      if (held || held.error().code() != Code::kBusy) break;
      asio::steady_timer pause(work_.executor, kLook);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (!held) co_return std::move(held).Within("a message to or from the function is on its way");
    co_return self_.link_.Hold();
  }

  asio::awaitable<Result<>> DumpAndKeep() {
    GODWIT_CO_TRY(const checkpoint::Worker worker,
                  co_await self_.criu_.Take(*self_.sandbox_, CriuWorker::kForDump));
    co_return co_await Offload(work_.pool, [&]() -> Result<> {
      checkpoint::DumpRequest request{self_.process_.inside, sandbox::kImagesPath, self_.Staging()};
      checkpoint::DumpHooks hooks;
      hooks.preparing = [&]() -> Result<> {
        GODWIT_TRY(CheckConnected());
        return checkpoint::CheckRunning(self_.Pids());
      };
      hooks.stopping = [&] { rests_ = checkpoint::ReadRests(self_.Pids()); };
      hooks.stopped = [&] { Stopped(); };
      hooks.dumped = [&]() -> Result<> {
        GODWIT_FAULT(kImageDumped);
        GODWIT_TRY(CheckComplete());
        return Keep();
      };
      return checkpoint::Dump(worker, request, hooks);
    });
  }

  // Compressed, sealed and written. The processes have ended, but the staged image brings them back
  // if there is no room.
  asio::awaitable<Result<>> Store() {
    GODWIT_FAULT(kProcessGone);
    const std::vector<ImageShelf::Held> bases = Bases();
    const auto image = co_await Offload(work_.pool, [&]() -> Result<checkpoint::StoredImage> {
      if (GODWIT_FAULT_FAILS(kImageStoreFull))
        return godwit::Fail(Code::kNoSpace, "no space left for the image");
      std::vector<checkpoint::ImageBase> offered;
      for (const auto& base : bases) {
        offered.push_back(
            {base->facts().image, BondOf(base->facts(), *kept.facts.function), base == template_});
      }
      const auto facts = [&](const std::vector<size_t>& chosen) {
        for (const size_t base : chosen) kept.facts.bases.push_back(bases[base]->facts());
        return FactsToJson(kept.facts);
      };
      return checkpoint::StoreImage(
          work_.blobs, {self_.Staging(), self_.Temporary()}, facts,
          {Durability::kCached, storage::Packing::kFast, kImageChunk, BondOf(kept.facts)}, offered);
    });
    read_ = true;
    self_.Rescheduled();
    if (!image) {
      // The last one takes room, too.
      if (image.error().code() == Code::kNoSpace) self_.last_image_.reset();
      co_return std::unexpected(image.error());
    }
    kept.image = image->id;
    kept.image_bytes = image->bytes;
    kept.synced = false;
    self_.image_ = work_.images->Own(kept);
    if (self_.last_image_) self_.last_image_->LeaveBases();
    self_.last_image_.reset();
    GODWIT_FAULT(kImageStored);
    co_return Result<>{};
  }

  // From here on it comes back when the node has ended meanwhile: it is in the journal, and its
  // image with the kernel. A power cut is the end of it until the image is synced, too, which a
  // template waits for, and all do if the node is told to. A synchronous call that is put away is
  // kept as an Event call is: its result is to be had, whoever still waits for it.
  asio::awaitable<Result<>> MakeDurable() {
    GODWIT_CO_TRY(co_await Store());
    if (self_.beginning_.trial) co_return Result<>{};
    if (self_.beginning_.bakes || work_.settings.durable_suspend) GODWIT_CO_TRY(co_await Sync());
    // Ended meanwhile, by whoever deleted it: its result is written, and it has no other.
    const bool runs = kept.facts.call && self_.call_;
    Result<> journalled =
        co_await work_.journal.Write([&](storage::Database& database) -> Result<> {
          if (runs) {
            GODWIT_TRY(PutCall(database, *kept.facts.call, CallStatus::kRunning, self_.id_));
          }
          return self_.beginning_.bakes ? PutTemplate(database, kept, self_.beginning_.depends)
                                        : PutInstance(database, kept);
        });
    co_return std::move(journalled).Within("the suspension is not in the journal");
  }

  asio::awaitable<Result<>> Sync() {
    Result<> synced = co_await work_.images->Sync(self_.image_);
    if (!synced) co_return std::move(synced).Within("the image is not safe on disk");
    kept.synced = true;
    co_return Result<>{};
  }

  // The moment when the processes' memory is free.
  asio::awaitable<SteadyTime> ProcessesGone() {
    while (self_.alive_) co_await self_.changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    self_.log_.Rest();
    self_.NoteMemoryPeak();
    co_return work_.clock.Steady();
  }

  // What else is charged to it is given back: what the kernel cached on its account, and its /tmp,
  // once that is stored. The moment when nothing is left.
  asio::awaitable<SteadyTime> TidyUp() {
    const auto read = [&]() -> asio::awaitable<void> {
      while (!read_) co_await self_.changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    };
    std::error_code unknown;
    const bool has_files = !std::filesystem::is_empty(self_.Temporary(), unknown);
    if (has_files) co_await read();
    const Result<> renewed = co_await Offload(work_.pool, [&] {
      // Its /tmp is the only place of what is in it if it could not be stored.
      if (has_files && !kept.image.hex.empty()) checkpoint::EmptyDirectory(self_.Temporary());
      return self_.sandbox_->cgroup().Renew();
    });
    const SteadyTime tidy = work_.clock.Steady();
    if (!renewed) {
      // Something is left in there: it goes with the walls, when /tmp has been read.
      co_await read();
      self_.log_line_.Warning("{}", renewed.error().ToString());
      co_await self_.TearWallsDown();
    }
    co_return has_files ? tidy : SteadyTime{};
  }

  KeptInstance kept;
  bool due_at_once = false;
  bool runs_on = false;  // what it waits for has come in the last moment

 private:
  // What came for it before it stood still would lie on disk with it.
  Result<> CheckReady(const std::map<int, int>& outside, const checkpoint::Peek& peek) {
    if (!has_call_ || due_at_once) return {};
    int looks = GODWIT_FAULT_FAILS(kLastMoment) ? kLastMomentLooks : 0;
    GODWIT_TRY(auto ready, checkpoint::FindReady(self_.Staging(), outside, peek, come_));
    for (; looks > 0 && !ready; --looks) {
      std::this_thread::sleep_for(kLook);
      GODWIT_TRY(ready, checkpoint::FindReady(self_.Staging(), outside, peek, come_));
    }
    if (!ready) return {};
    due_at_once = !ready->can_go_on;
    runs_on = ready->can_go_on;
    if (runs_on) return godwit::Fail(Code::kBusy, "{}", ready->what);
    return {};
  }

  void Stopped() {
    clock_ = work_.InstanceClock(self_.clock_offset_);
    wall_ = work_.clock.Wall();
    checkpoint::RestartDisturbed(rests_, self_.Pids(), work_.clock.Steady().since_boot);
  }

  // Nobody else is in the sandbox, and nobody can come, so what is read of it from here on cannot
  // change.
  Result<> CheckComplete() {
    GODWIT_TRY(self_.sandbox_->cgroup().SetPidsLimit(0));
    return checkpoint::CheckComplete(self_.Staging(), self_.Pids());
  }

  // The image is complete and the processes stand still: if anything fails here, they go on.
  Result<> Keep() {
    const Nanos dumped = work_.InstanceClock(self_.clock_offset_);
    kept.facts.timers_read = dumped;
    // CRIU would restore the clocks of this moment in a time namespace of its own; the sandbox's
    // clocks run on instead.
    std::error_code ignored;
    std::filesystem::remove(self_.Staging() + "/timens-0.img", ignored);
    InstanceFacts& facts = kept.facts;
    GODWIT_TRY(ReadSockets(facts));
    if (self_.beginning_.bakes) GODWIT_TRY(checkpoint::CheckClonable(self_.Staging()));
    GODWIT_TRY(OnLoop([&] { return AskInstance(facts); }));
    GODWIT_TRY(ReadProcesses(facts, dumped));
    facts.instance = self_.id_;
    facts.sequence = sequence_;
    facts.image_key = NewImageKey(work_.entropy);
    facts.function = self_.shared_function_;
    facts.uid = self_.uid_;
    facts.pid = self_.process_.inside;
    facts.clock = clock_;
    facts.clock_offset = self_.clock_offset_;
    facts.wall = wall_;
    facts.boot = work_.boot;
    facts.epoch = epoch_;
    // For speed alone: without it, it comes back all the same.
    if (self_.memory_ && !self_.memory_->working_set().empty()) {
      static_cast<void>(checkpoint::WriteWorkingSet(self_.Staging(), self_.memory_->working_set()));
    }
    return {};
  }

  // On the loop, to which what is asked here belongs. Whoever ended the instance while CRIU was at
  // work does not want it on disk.
  Result<> AskInstance(InstanceFacts& facts) {
    if (self_.ending_) return godwit::Fail(Code::kClosing, "the instance ends");
    if (self_.call_) {
      facts.call = WithoutPayload(self_.call_->invocation);
      facts.awake = self_.AwakeTime();
    }
    facts.address = self_.link_.address();
    if (self_.link_.Expect(facts.ears)) come_ = "a packet has come for it";
    GODWIT_TRY(facts.sessions, self_.endpoint_->Save());
    return {};
  }

  Result<> CheckConnected() {
    if (!self_.link_.address()) return {};
    const auto ports = checkpoint::Connecting(self_.process_.outside);
    if (ports.empty()) return {};
    return godwit::Fail(Code::kUnsupported,
                        "a connection to port {} is being made, and its answer would not be heard",
                        ports.front());
  }

  // Images of its function that may have its pages: the template, of which it may be a clone, its
  // last one, and those that this refers to.
  std::vector<ImageShelf::Held> Bases() {
    std::vector<ImageShelf::Held> bases;
    if (self_.beginning_.bakes) return bases;
    if (const auto made = work_.bakery ? work_.bakery->Of(self_.function_) : nullptr)
      template_ = work_.images->Find(made->image);
    if (template_) bases.push_back(template_);
    if (!self_.last_image_) return bases;
    for (const auto& base : self_.last_image_->bases()) {
      if (base != template_) bases.push_back(base);
    }
    bases.push_back(self_.last_image_);
    return bases;
  }

  // Those to whom somebody outside may speak while it is away.
  Result<> ReadSockets(InstanceFacts& facts) {
    const auto unread = checkpoint::UnreadDatagrams(self_.process_.outside);
    if (!unread.empty()) {
      return godwit::Fail(Code::kUnsupported,
                          "datagrams at port {} are not read yet, and CRIU would drop them",
                          unread.front());
    }
    if (!self_.link_.address()) return {};
    GODWIT_TRY(const auto sockets, checkpoint::ReadSockets(self_.Staging()));
    for (const auto& socket : sockets) {
      // If it is lost on its way, nobody would send it again, and nobody would ever answer.
      if (socket.unacknowledged > 0) come_ = "what it has sent is not acknowledged yet";
      facts.ears.push_back({socket.datagrams ? network::Protocol::kUdp : network::Protocol::kTcp,
                            socket.port, network::Address{socket.peer}, socket.peer_port,
                            socket.next, socket.window});
    }
    return {};
  }

  Result<> ReadProcesses(InstanceFacts& facts, Nanos dumped) {
    const std::map<int, int> outside = checkpoint::InsidePids(self_.sandbox_->cgroup().Pids());
    GODWIT_TRY(facts.highest_pid, checkpoint::HighestPid(self_.Staging()));
    const auto peek = [&](int pid, uint64_t address, size_t size) -> std::optional<std::string> {
      const auto found = outside.find(pid);
      return found == outside.end() ? std::nullopt
                                    : checkpoint::PeekProcess(found->second, address, size);
    };
    GODWIT_TRY(CheckReady(outside, peek));
    checkpoint::Moment moment{clock_, wall_.since_epoch, Calm(), {}, {}};
    for (const auto& [thread, rest] : rests_) {
      moment.since[thread] = rest.since + self_.clock_offset_;
      moment.before[thread] = rest.before;
    }
    GODWIT_TRY(checkpoint::Waits waits, checkpoint::ReadWaits(self_.Staging(), moment, peek));
    GODWIT_TRY(const auto timer, checkpoint::NearestTimer(self_.Staging()));
    facts.timeouts = std::move(waits.timeouts);
    // Between calls a function is frozen, as in Lambda: its timers go on, but do not wake it.
    if (!has_call_) return {};
    if (due_at_once) {
      facts.deadline = clock_;
    } else if (timer) {
      facts.deadline = std::min(waits.deadline.value_or(Nanos::max()), dumped + *timer);
    } else {
      facts.deadline = waits.deadline;
    }
    return {};
  }

  // None of its calls began later: what is known of those whose beginning is not known.
  Nanos Calm() const {
    const Nanos still = still_since_.since_boot + self_.clock_offset_;
    const bool guess = !checkpoint::RestsAreKnown() && blocked_;
    return guess ? std::min(still, clock_) : clock_;
  }

  // Runs `step` on the loop while this thread of the pool waits.
  template <typename Step>
  std::invoke_result_t<Step&> OnLoop(Step step) {
    std::promise<std::invoke_result_t<Step&>> promise;
    asio::post(work_.executor, [&] { promise.set_value(step()); });
    return promise.get_future().get();
  }

  Instance& self_;
  Workplace& work_;
  // As it was when the suspension began, for the pool.
  const bool blocked_;
  const bool has_call_;
  const SteadyTime still_since_;
  const uint64_t sequence_;
  const int64_t epoch_;
  std::string come_;  // why its link has to have it back: what came, or what went and may be lost
  Nanos clock_{};
  WallTime wall_;
  bool read_ = false;          // the staged image and /tmp
  ImageShelf::Held template_;  // of its function
  checkpoint::Rests rests_;
};

void Instance::AllowForks() const {
  const Result<> allowed = sandbox_->cgroup().SetPidsLimit(LimitsOf(function_.spec).pids);
  if (!allowed) log_line_.Warning("{}", allowed.error().ToString());
}

asio::awaitable<Result<MoveReport>> Instance::Suspend(std::string reason, bool wake_at_once) {
  if (sandbox_ && sandbox_->pauses()) co_return co_await PauseContainer(std::move(reason));
  const bool away = state() == State::kFrozen || state() == State::kSpilled;
  if (moving_ || ending_ || (!away && !MayMove(state(), State::kSuspended)) || !alive_ ||
      (call_ && !delivered_)) {
    co_return godwit::Fail(Code::kConflict,
                           "instance '{}' is {} and cannot be put away now (try again when it is "
                           "READY, BUSY or BLOCKED)",
                           id_.text, moving_ ? "on its way to another state" : ToString(state()));
  }
  if (!workplace_.criu) {
    obstacle_ = "CRIU is not there (run `godwit doctor`)";
    refused_ = true;
    try_again_at_ = SteadyTime{Nanos::max()};
    co_return godwit::Fail(Code::kUnsupported, "{}", obstacle_);
  }
  ++operations_;
  ++workplace_.suspending;
  const ScopeExit leave([&] {
    --operations_;
    --workplace_.suspending;
    Rescheduled();
  });
  moving_ = true;
  co_await Unstopped();
  const SteadyTime begun = workplace_.clock.Steady();
  if (const Result<> whole = co_await MakeWhole(); !whole) {
    Settled();
    co_return std::unexpected(whole.error());
  }
  MoveReport report;
  report.memory_before = sandbox_->cgroup().MemoryBytes();
  Suspension suspension(*this);
  suspension.due_at_once = wake_at_once && state() == State::kBusy;
  Result<> done = co_await suspension.HoldConnections();
  if (done) done = co_await suspension.DumpAndKeep();
  if (!done) {
    endpoint_->Release();
    static_cast<void>(link_.Deliver());
    AllowForks();
    obstacles_ = co_await Offload(workplace_.pool, [&] {
      checkpoint::EmptyDirectory(Staging());
      return WhatStoodInTheWay(done.error(), Pids());
    });
    std::string why = obstacles_.empty() ? done.error().reason() : obstacles_.front().Text();
    refused_ = done.error().code() == Code::kUnsupported;
    const auto refused = CannotSuspend(done.error().code(), std::move(why));
    if (suspension.runs_on && failures_ <= kMostChances) {
      try_again_at_ = {};
      obstacle_.clear();
    }
    Settled();
    co_return refused;
  }
  const SteadyTime gone = co_await suspension.ProcessesGone();
  auto [durable, tidy] = co_await (suspension.MakeDurable() && suspension.TidyUp());
  report.took = std::max(gone, tidy) - begun;
  staged_ = suspension.kept.image.hex.empty();
  if (!staged_) {
    co_await Offload(workplace_.pool, [&] {
      checkpoint::EmptyDirectory(Staging());
      return 0;
    });
  }
  if (endpoint_) co_await endpoint_->Drop();
  kept_ = std::move(suspension.kept);
  row_missing_ = !durable && !staged_ && !beginning_.trial && !beginning_.bakes;
  if (call_ && durable && !beginning_.trial) call_->kept = true;
  if (call_) call_->invocation.payload = std::string();  // the function has it
  awake_before_ = kept_->facts.awake;
  clock_stands_ = true;
  obstacle_.clear();
  obstacles_.clear();
  reason_ = reason;
  static_cast<void>(life_.Move(State::kSuspended, std::move(reason)));
  GODWIT_FAULT(kSuspendJournalled);
  report.memory_after = sandbox_ ? sandbox_->cgroup().MemoryBytes() : 0;
  moving_ = false;
  Rescheduled();
  if (!durable) {
    // It is whole, staged or in the page cache, but would not survive a power cut: it goes on.
    static_cast<void>(co_await Resume("it could not be kept"));
    co_return CannotSuspend(durable.error().code(), durable.error().ToString());
  }
  failures_ = 0;
  // Only now can it be brought back, should it turn out not to be safe.
  if (!kept_->synced && !beginning_.trial) workplace_.images->SyncLater(id_, image_);
  PrepareMove();
  refused_ = false;
  costs_.suspend.Learn(report.took);
  resume_cost_ = std::max(resume_cost_, report.took * 3 / 2);  // what is large takes long both ways
  if (workplace_.abroad != nullptr && !beginning_.trial && !beginning_.bakes)
    workplace_.abroad->WasPutAway(id_);
  ScheduleWake();
  report.instance = View();
  co_return report;
}

// It is as it was; `why` is shown, and the next attempt is later than the last one was.
std::unexpected<Error> Instance::CannotSuspend(Code code, std::string why) {
  obstacle_ = std::move(why);
  if (state() != State::kSuspended) StartClock(workplace_.clock.Steady());
  try_again_at_ =
      workplace_.clock.Steady() + kFirstPause * (1 << std::min(failures_++, kMostDoublings));
  if (code != Code::kClosing) log_line_.Warning("cannot suspend '{}': {}", id_.text, obstacle_);
  return godwit::Fail(code, "cannot suspend '{}': {}", id_.text, obstacle_);
}

}  // namespace godwit::functions
