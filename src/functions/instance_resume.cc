// How an instance is brought back: each step in order.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/criu.h"
#include "checkpoint/image.h"
#include "checkpoint/inside.h"
#include "checkpoint/sockets.h"
#include "checkpoint/tcp_repair.h"
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
using std::chrono_literals::operator""min;

namespace {

constexpr uint64_t kRestoreRoom = 64 << 20;  // bytes above the limit, while CRIU is at work
constexpr int kLooks = 20;
constexpr Nanos kLook = 10ms;
constexpr Nanos kLeastResumeCost = 40ms;
constexpr Nanos kFirstRetry = 1s;  // after a resume that failed
constexpr Nanos kLastRetry = 5min;
constexpr Nanos kFirstSteps = 25ms;  // of a clone: most first calls are over
constexpr Nanos kMostEarly = 30s;    // that the wake index brings one back
constexpr Nanos kLeastWallsCost = 10ms;
constexpr uint64_t kWorthKeeping = 128 << 10;  // bytes of an image, for the next one to refer to

// Generous, for one that is back early only waits: half as much again as its last ways took.
Nanos Smoothed(Nanos before, Nanos took, Nanos least) {
  return std::max(least, before * 3 / 4 + took * 3 / 8);
}

}  // namespace

// A worker of CRIU's for the next move, which comes soon if it comes quickly.
void Instance::PrepareMove() {
  if (!sandbox_ || sandbox_->pauses() || moving_ || ending_ || criu_.ready() || !workplace_.criu)
    return;
  const int first_pid = kept_ ? FirstDriverPid(kept_->facts) : CriuWorker::kForDump;
  static_cast<void>(gate_.Spawn(criu_.Prepare(*sandbox_, first_pid)));
  if (workplace_.pager != nullptr && !beginning_.bakes) static_cast<void>(gate_.Spawn(OwnMemory()));
}

void Instance::ScheduleWake() {
  const bool due = kept_ && kept_->facts.deadline;
  const SteadyTime deadline{due ? *kept_->facts.deadline - clock_offset_ : Nanos(0)};
  if (held_) return;
  if (kept_ && sandbox_) workplace_.walls_stand(id_, due ? std::optional(deadline) : std::nullopt);
  if (kept_ && IsDue()) {
    const SteadyTime now = workplace_.clock.Steady();
    workplace_.wake_at(id_, resume_failures_ == 0 ? now : std::max(now, try_again_at_), Nanos(0));
    return;
  }
  if (!due) return;
  workplace_.wake_at(id_, deadline, resume_cost_ + (sandbox_ ? Nanos(0) : workplace_.walls_cost));
}

void Instance::Found() {
  if (link_.address()) static_cast<void>(gate_.Spawn(AwaitPackets()));
  ScheduleWake();
}

asio::awaitable<void> Instance::AwaitPackets() {
  if (!kept_) co_return;
  const auto awaits = co_await link_.Await(kept_->facts.ears);
  if (!awaits) log_line_.Error("no packet wakes '{}': {}", id_.text, awaits.error().ToString());
}

void Instance::Knocked() {
  // On its way to SUSPENDED, it is looked after when it is there.
  if (state() == State::kSuspended && !moving_ && call_) ScheduleWake();
}

void Instance::LearnResumeCost(Nanos took) {
  resume_cost_ = Smoothed(resume_cost_, took, kLeastResumeCost);
}

class Resumption {
 public:
  explicit Resumption(Instance& instance)
      : self_(instance), work_(instance.workplace_), facts_(instance.kept_->facts) {}

  asio::awaitable<Result<>> Walls() {
    if (self_.sandbox_) {
      self_.log_.Listen();
      co_return Result<>{};
    }
    while (self_.leaving_) co_await self_.changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    const SteadyTime begun = work_.clock.Steady();
    GODWIT_CO_TRY(co_await self_.BuildWalls(self_.clock_offset_));
    walls_took = work_.clock.Steady() - begun;
    work_.walls_cost = Smoothed(work_.walls_cost, walls_took, kLeastWallsCost);
    co_return Result<>{};
  }

  // The image is unpacked while CRIU starts and the connections are made.
  asio::awaitable<Result<>> Prepare() {
    auto [limits, driver, image, connections] =
        co_await (MakeRoom() && StartDriver() && Fetch() && Connections());
    if (!limits) co_return std::unexpected(std::move(limits).error());
    if (!driver) co_return std::unexpected(std::move(driver).error());
    if (!image) co_return std::unexpected(std::move(image).error());
    co_return connections;
  }

  // From the journal's word on a restart of the node does not take the image for the truth any
  // more. It is spoken while CRIU works, and heard before the function runs.
  asio::awaitable<Result<>> Restore() {
    std::promise<Result<>> word;
    auto heard = word.get_future();
    auto [journalled, restored] = co_await (Journal(word) && RunCriu(heard));
    committed = journalled.has_value();
    co_return restored;
  }

  // Of a clone, ahead of its start: as Restore(), but that it has not run yet. Only if its memory
  // comes late, for otherwise it would hold all of it; then nothing more is done.
  asio::awaitable<Result<>> BringUp() {
    if (!image_.late) co_return Result<>{};
    co_return co_await Offload(work_.pool, [this, memory = &self_.Paged()]() -> Result<> {
      GODWIT_TRY(RestoreUp(memory));
      return memory->AwaitHeld();
    });
  }

  // It runs already, and may have ended by now: nothing leads back to disk from here, for what it
  // has done it would do again.
  asio::awaitable<void> Adopt() {
    for (size_t i = 0; i < sockets_.size(); ++i) {
      const auto adopted = self_.endpoint_->Adopt(facts_.sessions[i], std::move(sockets_[i]));
      if (!adopted) self_.log_line_.Error("{}", adopted.error().ToString());
    }
    const Result<int> outside = co_await self_.sandbox_->Find(facts_.pid, facts_.highest_pid + 1);
    self_.process_ = {facts_.pid, outside.value_or(0)};
    if (!outside) self_.alive_ = false;
  }

  bool committed = false;
  bool broken = false;  // the image itself
  Nanos walls_took{};
  SteadyTime runs_since{};

 private:
  // It joins the control group, and what it restores is in there from its beginning.
  asio::awaitable<Result<>> StartDriver() {
    GODWIT_CO_TRY(worker_, co_await self_.criu_.Take(*self_.sandbox_, FirstDriverPid(facts_)));
    co_return co_await Offload(work_.pool,
                               [&] { return self_.sandbox_->cgroup().Add(worker_.pid); });
  }

  asio::awaitable<Result<>> MakeRoom() {
    co_return co_await Offload(work_.pool, [&] {
      sandbox::CgroupLimits limits = LimitsOf(self_.function_.spec);
      limits.memory_bytes += kRestoreRoom;
      return self_.sandbox_->cgroup().Apply(limits);
    });
  }

  asio::awaitable<Result<>> Fetch() {
    co_return co_await Offload(work_.pool, [&]() -> Result<> {
      if (self_.staged_) return Result<>{};
      checkpoint::EmptyDirectory(self_.Staging());
      const checkpoint::ImagePlaces places{self_.Staging(), self_.Temporary()};
      const bool late = work_.pager != nullptr;
      auto fetched =
          self_.beginning_.clone_of
              ? work_.bakery->Place(*self_.beginning_.clone_of, places, self_.uid_, late)
              : checkpoint::FetchImage(work_.blobs, self_.kept_->image, places, self_.uid_,
                                       BondOf(facts_), late, BasesOf(facts_));
      if (fetched) {
        image_ = *std::move(fetched);
      } else {
        return Unreadable(std::move(fetched).error());
      }
      GODWIT_FAULT(kRestoreStarted);
      return Result<>{};
    });
  }

  Result<> Unreadable(Error error) {
    broken = error.code() == Code::kCorrupt || IsMissing(self_.kept_->image);
    for (const BaseFacts& base : facts_.bases) broken |= IsMissing(base.image);
    if (error.code() == Code::kCorrupt) {
      error.Within(fmt::format("its image is damaged, or is not that of its suspension {}",
                               facts_.sequence));
    }
    return std::unexpected(std::move(error));
  }

  bool IsMissing(const storage::BlobId& image) const {
    const auto stored = work_.blobs.StoredSize(image);
    return !stored && stored.error().code() == Code::kNotFound;
  }

  // What CRIU does not look at before it makes processes.
  Result<> PutTheRest() {
    if (image_.put_needed) {
      if (Result<> put = image_.put_needed(); !put) return Unreadable(std::move(put).error());
    }
    return facts_.sessions.empty() ? Result<>{} : HandOver();
  }

  // The node's ends stand before the function's do, so that nothing it says finds nobody.
  asio::awaitable<Result<>> Connections() {
    for (const auto& session : facts_.sessions) {
      Result<Fd> socket = co_await Rebuild(session);
      // A process that is being started at this moment may still hold a copy of the socket that was
      // closed: it soon execs.
      for (int look = 0; !socket && look < kLooks; ++look) {
        asio::steady_timer pause(work_.executor, kLook);
        co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        socket = co_await Rebuild(session);
      }
      if (!socket) co_return std::unexpected(std::move(socket).error());
      sockets_.push_back(*std::move(socket));
    }
    co_return Result<>{};
  }

  // What the function said while the node was deaf already, its kernel would say again, but only
  // after a second, and until then the function waits for an answer.
  Result<> HandOver() {
    GODWIT_TRY(const auto unheard,
               checkpoint::ReadUnacknowledged(self_.Staging(), sandbox::kRuntimeApiPort));
    for (size_t i = 0; i < sockets_.size(); ++i) {
      const checkpoint::TcpState& tcp = facts_.sessions[i].tcp;
      const auto found = unheard.find(tcp.peer_port);
      if (found == unheard.end()) continue;
      const uint32_t heard = tcp.receive_sequence - found->second.sequence;
      if (heard >= found->second.bytes.size()) continue;
      GODWIT_TRY(checkpoint::PutReceived(sockets_[i].get(),
                                         std::string_view(found->second.bytes).substr(heard)));
    }
    return {};
  }

  asio::awaitable<Result<>> Journal(std::promise<Result<>>& word) {
    Result<> written;
    const bool has_row = !self_.beginning_.clone_of && !self_.beginning_.trial;
    if (!self_.staged_ && !self_.row_missing_ && has_row) {
      written = co_await work_.journal.Write(
          [id = self_.id_](storage::Database& database) { return DropInstance(database, id); });
    }
    GODWIT_FAULT(kResumeJournalled);
    word.set_value(written);
    co_return written;
  }

  asio::awaitable<Result<>> RunCriu(std::future<Result<>>& journalled) {
    PagedMemory* const memory = image_.late ? &self_.Paged() : nullptr;
    // A clone whose working set nobody knows is not to wait for a page until others are there.
    const bool unknown =
        memory != nullptr && self_.beginning_.clone_of && memory->working_set().empty();
    const Nanos alone = unknown ? kFirstSteps : Nanos(0);
    co_return co_await Offload(work_.pool, [&, memory]() -> Result<> {
      if (!up_) {
        GODWIT_TRY(RestoreUp(memory));
      } else {
        GODWIT_TRY(work_.bakery->Check(*self_.beginning_.clone_of));
      }
      checkpoint::RestoreHooks hooks;
      hooks.before_run = [&]() -> Result<> {
        if (memory != nullptr) GODWIT_TRY(memory->AwaitHeld());
        GODWIT_TRY(journalled.get());
        if (facts_.timeouts.empty()) return {};
        const auto outside = checkpoint::InsidePids(self_.sandbox_->cgroup().Pids());
        return checkpoint::WriteTimeouts(facts_.timeouts, work_.InstanceClock(self_.clock_offset_),
                                         outside);
      };
      hooks.running = [&] {
        runs_since = work_.clock.Steady();
        if (memory != nullptr) memory->ItRuns(alone);
      };
      GODWIT_TRY(const int pid, checkpoint::LetRun(worker_, Request(), hooks));
      if (pid != facts_.pid)
        return godwit::Fail(Code::kInternal, "process {} came back as {}", facts_.pid, pid);
      GODWIT_FAULT(kRestored);
      const uint64_t limit = LimitsOf(self_.function_.spec).memory_bytes;
      if (const auto limited = self_.sandbox_->cgroup().SetMemoryLimit(limit); !limited)
        self_.log_line_.Warning("{}", limited.error().ToString());
      return {};
    });
  }

  checkpoint::RestoreRequest Request() const {
    return {sandbox::kImagesPath, self_.Staging(), image_.late.has_value()};
  }

  // On the pool.
  Result<> RestoreUp(PagedMemory* memory) {
    GODWIT_TRY(checkpoint::MendTimers(
        self_.Staging(), work_.InstanceClock(self_.clock_offset_) - facts_.timers_read));
    checkpoint::RestoreHooks hooks;
    hooks.preparing = [&] { return PutTheRest(); };
    hooks.missing = [&](Fd uffd) { return memory->Serve(std::move(uffd), image_); };
    GODWIT_TRY(checkpoint::BringUp(worker_, Request(), hooks));
    up_ = true;
    return {};
  }

  asio::awaitable<Result<Fd>> Rebuild(const SavedSession& session) {
    GODWIT_CO_TRY(Fd socket, co_await self_.sandbox_->MakeSocket());
    GODWIT_CO_TRY(checkpoint::RebuildTcp(socket.get(), session.tcp));
    co_return socket;
  }

  Instance& self_;
  Workplace& work_;
  const InstanceFacts& facts_;
  checkpoint::Worker worker_;
  checkpoint::FetchedImage image_;
  std::vector<Fd> sockets_;
  bool up_ = false;  // it is there, and has not run
};

asio::awaitable<Result<MoveReport>> Instance::Resume(std::string reason) {
  if (IsPaused()) co_return co_await UnpauseContainer(std::move(reason));
  if (moving_ || ending_ || state() != State::kSuspended || !kept_) {
    co_return godwit::Fail(Code::kConflict, "instance '{}' is {} and cannot be resumed", id_.text,
                           moving_ ? "on its way to another state" : ToString(state()));
  }
  GODWIT_CO_TRY(CheckFree());
  if (!workplace_.criu) {
    obstacle_ = "CRIU is not there (run `godwit doctor`)";
    log_line_.Error("cannot resume '{}': {}", id_.text, obstacle_);
    co_return godwit::Fail(Code::kUnsupported, "cannot resume '{}': {}", id_.text, obstacle_);
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
  MoveReport report;
  Resumption resumption(*this);
  Result<> ready = co_await resumption.Walls();
  if (ready) ready = co_await resumption.Prepare();
  if (ready) {
    alive_ = true;
    exit_status_ = 0;
    process_.inside = kept_->facts.pid;
    ready = co_await resumption.Restore();
  }
  if (!ready) {
    ready = std::move(ready).Within("cannot resume '{}'", id_.text);
    log_line_.Error("{}", ready.error().ToString());
    if (resumption.broken || staged_) {
      co_await Lose(ready.error());
    } else {
      co_await PutBack(resumption.committed, ready.error());
    }
    co_return std::unexpected(std::move(ready).error());
  }
  co_await resumption.Adopt();
  // One that is back for a callback or a packet will go on at once: it is not early.
  const bool waits = kept_->facts.deadline && !IsDue();
  if (const auto delivered = link_.Deliver(); !delivered)
    log_line_.Error("{}", delivered.error().ToString());
  obstacle_.clear();
  resume_failures_ = 0;
  staged_ = row_missing_ = false;
  call_started_ = still_since_ = workplace_.clock.Steady();
  cpu_seen_ = 0;
  static_cast<void>(life_.Move(call_ ? State::kBusy : State::kReady, std::move(reason)));
  report.took = resumption.runs_since - begun;
  const Nanos whole = workplace_.clock.Steady() - begun;
  LearnResumeCost(whole - resumption.walls_took);
  costs_.resume.Learn(whole);
  report.memory_after = sandbox_->cgroup().MemoryBytes();
  LeaveImage();
  due_ = waits ? SteadyTime{*kept_->facts.deadline - clock_offset_} : SteadyTime{};
  kept_.reset();
  // Long before its time it is back by hand: it may be put away again.
  const bool early = due_ > call_started_ && due_ - call_started_ < kMostEarly;
  if (!early) due_ = {};
  clock_stood_ = true;
  StartClock(early ? due_ : call_started_);
  Settled();
  tidying_ = true;
  static_cast<void>(gate_.Spawn(Tidy()));
  report.instance = View();
  co_return report;
}

asio::awaitable<Result<>> Instance::BringCloneIn() {
  const auto ahead = std::exchange(ahead_, nullptr);
  const auto resumption = ahead ? ahead : std::make_shared<Resumption>(*this);
  GODWIT_CO_TRY(co_await resumption->Walls());
  if (!ahead) GODWIT_CO_TRY(co_await resumption->Prepare());
  alive_ = true;
  process_.inside = kept_->facts.pid;
  GODWIT_CO_TRY(co_await resumption->Restore());
  co_await resumption->Adopt();
  co_return Result<>{};
}

// All of the above that may be done before anybody calls.
asio::awaitable<Result<>> Instance::BringCloneUp() {
  const auto resumption = std::make_shared<Resumption>(*this);
  GODWIT_CO_TRY(co_await resumption->Prepare());
  GODWIT_CO_TRY(co_await resumption->BringUp());
  ahead_ = resumption;
  co_return Result<>{};
}

// It runs, and its row is gone. Most of its memory will still be the same when it is put away next,
// if there is much.
void Instance::LeaveImage() {
  last_image_ = std::move(image_);
  if (!last_image_) return;
  last_image_->Drop();
  if (kept_->image_bytes < kWorthKeeping) last_image_.reset();
}

asio::awaitable<void> Instance::Tidy() {
  co_await Offload(workplace_.pool, [&] {
    checkpoint::EmptyDirectory(Staging());
    return 0;
  });
  tidying_ = false;
  Rescheduled();
}

// After a restore that failed: it is on disk as before, for its image is good, and what waits in it
// is tried again.
asio::awaitable<void> Instance::PutBack(bool committed, const Error& why) {
  alive_ = false;
  static_cast<void>(life_.Move(State::kSuspended, why.reason()));
  co_await TearDown();  // whatever of it was restored goes with its walls
  log_.Rest();
  co_await Offload(workplace_.pool, [&] {
    checkpoint::EmptyDirectory(Staging());
    return 0;
  });
  row_missing_ |= committed && !beginning_.trial;
  co_await WriteRow();
  obstacle_ = why.reason();
  const Nanos pause =
      std::min(kLastRetry, kFirstRetry * (int64_t{1} << std::min(resume_failures_++, 20)));
  try_again_at_ = workplace_.clock.Steady() + pause;
  if (call_) workplace_.wake_at(id_, try_again_at_, Nanos(0));
  moving_ = false;
  if (image_ && kept_ && !kept_->synced && !row_missing_ && !beginning_.trial)
    workplace_.images->SyncLater(id_, image_);
  Rescheduled();
}

// Without its row a next start would take its image for a leftover: a store that is full, say, may
// have room when it is tried again.
asio::awaitable<void> Instance::WriteRow() {
  if (!row_missing_ || !kept_) co_return;
  const Result<> kept = co_await workplace_.journal.Write(
      [&](storage::Database& database) { return PutInstance(database, *kept_); });
  if (!kept) log_line_.Error("{}", kept.error().ToString());
  row_missing_ = !kept;
}

void Instance::ImageIsUnsafe(const storage::BlobId& image, const Error& why) {
  if (state() != State::kSuspended || moving_ || ending_ || !kept_ || kept_->image != image) return;
  static_cast<void>(gate_.Spawn([](Instance* self, Error error) -> asio::awaitable<void> {
    static_cast<void>(co_await self->Resume("it could not be kept"));
    static_cast<void>(self->CannotSuspend(error.code(), error.ToString()));
  }(this, why)));
}

// After an image that was found broken.
asio::awaitable<void> Instance::Lose(const Error& why) {
  alive_ = false;
  ending_ = true;
  reason_ = why.reason();
  if (epoch_ != 0 && workplace_.abroad != nullptr) workplace_.abroad->Ended(id_, epoch_);
  static_cast<void>(life_.Move(State::kLost, why.reason()));
  log_.Flush();
  if (workplace_.bakery != nullptr) workplace_.bakery->Doubt(function_.spec.name);
  co_await Discard();
  FinishWith("Godwit.ImageLost", why.ToString());
  co_await TearDown();
  moving_ = false;
  Rescheduled();
  owner_.HasEnded(*this);
}

// The deadline that the runtime was told has moved by the time it waited, or moves on while it does
// (runtimes read this file).
void Instance::WriteDeadline() const {
  if (!call_) return;
  const auto ms = [](Nanos span) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  };
  const Nanos left = function_.spec.timeout - awake_before_;
  const Nanos end = left + (awake_since_ - workplace_.clock.Steady());
  const std::string& id = call_->invocation.id.text;
  const std::string text =
      clock_stands_ ? fmt::format("{} - {}\n", id, ms(left))
                    : fmt::format("{} {}\n", id, ms((workplace_.clock.Wall() + end).since_epoch));
  const std::string path = Home() + "/run/deadline";
  const Result<Fd> file = Open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file && WriteAll(file->get(), text)) ::rename((path + ".new").c_str(), path.c_str());
}

}  // namespace godwit::functions
