#include "functions/trial.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "base/try.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kLook = 20ms;
constexpr Nanos kLookForRoom = 100ms;
constexpr Nanos kWaitsForRoom = 5s;
constexpr int kAttempts = 40;         // at a move in the middle of a message
constexpr Nanos kAfterwards = 200ms;  // it is looked at, after each way back
constexpr Nanos kWaitsAgain = 2s;     // as long as it takes to see that
constexpr Nanos kAsksAgain = 2s;      // a runtime that has answered, for its next call

const char* const kContainer =
    "it runs in a container of the Docker Engine, which can freeze it and no more (deploy it with "
    "`--engine native`)";

}  // namespace

std::string_view ToString(TierTrial::Result result) {
  switch (result) {
    case TierTrial::Result::kWorks:
      return "works";
    case TierTrial::Result::kRefused:
      return "refused";
    case TierTrial::Result::kLost:
      return "lost";
    case TierTrial::Result::kNotTried:
      return "not_tried";
  }
  return "unknown";
}

bool TrialReport::Works(Tier tier) const {
  return std::ranges::any_of(tiers, [&](const TierTrial& one) {
    return one.tier == tier && one.result == TierTrial::Result::kWorks;
  });
}

class Trial final : public Owner {
 public:
  Trial(Workplace& workplace, std::shared_ptr<Crew> crew, TrialRequest request)
      : work_(workplace),
        crew_(std::move(crew)),
        request_(std::move(request)),
        pause_(workplace.executor),
        ended_waiting_(workplace.executor, asio::steady_timer::time_point::max()),
        instance_(std::make_unique<Instance>(
            workplace, *this, InstanceId::New(workplace.entropy),
            std::make_shared<const Function>(crew_->function()),
            Beginning{.bakes = false, .depends = {}, .clone_of = nullptr, .trial = true})) {
    report_.function = function().spec.name;
    report_.instance = instance_->id();
    crew_->Host(*instance_);
  }
  ~Trial() override { crew_->Release(*instance_); }

  const Function& function() const { return instance_->function(); }
  bool over() const { return result_.has_value(); }
  Result<TrialReport> Take() { return *std::move(result_); }
  asio::steady_timer& ended_waiting() { return ended_waiting_; }  // cancelled when it is over

  void Tick() {
    if (!over_) instance_->Tick();
  }

  void Stop(Error why) {
    if (stopped_ || over_) return;
    stopped_ = std::move(why);
    instance_->Stop(stopped_->reason(), *stopped_);
  }

  asio::awaitable<void> Run() {
    co_await asio::this_coro::throw_if_cancelled(false);
    instance_->Start();
    const Result<> done = co_await Examine();
    over_ = true;
    instance_->FlushLog();
    instance_->Stop("its trial is over", Error(Code::kClosing, "its trial is over"));
    while (!ended_) co_await Pause(kLook);
    co_await instance_->Close();
    crew_->Release(*instance_);
    result_ = done ? Result<TrialReport>(std::move(report_)) : std::unexpected(done.error());
    ended_waiting_.cancel();
  }

  // Owner.
  void WantsCall(Instance& instance) override {
    if (std::exchange(called_, true) || over_ || stopped_) return;
    Invocation call;
    call.id = report_.request = RequestId::New(work_.entropy);
    call.function = function().spec.name;
    call.payload = std::move(request_.event);
    call.accepted = work_.clock.Wall();
    begun_ = work_.clock.Steady();
    instance.Assign({std::move(call), [this](const PendingCall&, Result<Outcome> result) {
                       if (over_ || !result) return;  // it is stopped
                       report_.call_took = work_.clock.Steady() - begun_;
                       report_.outcome = *std::move(result);
                     }});
  }
  void HasEnded(Instance&) override { ended_ = true; }

 private:
  asio::awaitable<void> Pause(Nanos span) {
    pause_.expires_after(span);
    co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  bool gone() const { return ended_ || stopped_ || instance_->state() == State::kStopped; }
  bool late() const { return work_.clock.Steady() - begun_ >= request_.limit; }

  asio::awaitable<Result<>> Examine() {
    while (!called_ && !gone()) co_await Pause(kLook);
    if (!called_ && !stopped_) {
      const auto& failed = instance_->failed_start();
      co_return Fail(Code::kUnavailable, "'{0}' does not start: {1} (see `godwit logs {0}`)",
                     function().spec.name,
                     failed ? failed->message + failed->body : instance_->View().reason);
    }
    co_await UntilItWaits();
    for (const Tier tier : {Tier::kFrozen, Tier::kSpilled, Tier::kDisk})
      report_.tiers.push_back(co_await TryTier(tier));
    while (!report_.outcome && !gone() && !late()) co_await Pause(kLook);
    if (stopped_) co_return std::unexpected(*stopped_);
    co_return Result<>{};
  }

  // In a call, or after it, or as it is when its time is over.
  asio::awaitable<void> UntilItWaits() {
    while (!report_.outcome && !gone() && !late()) {
      report_.waited = instance_->state() == State::kBlocked;
      if (report_.waited) co_return;
      co_await Pause(kLook);
    }
    const SteadyTime answered = work_.clock.Steady();
    while (report_.outcome && !gone() && instance_->state() != State::kReady &&
           work_.clock.Steady() - answered < kAsksAgain) {
      co_await Pause(kLook);
    }
  }

  // A call that waited is on its way back into its wait after each way back.
  asio::awaitable<void> UntilItWaitsAgain() {
    const SteadyTime begun = work_.clock.Steady();
    while (report_.waited && !report_.outcome && !gone() && instance_->state() != State::kBlocked &&
           work_.clock.Steady() - begun < kWaitsAgain) {
      co_await Pause(kLook);
    }
  }

  asio::awaitable<TierTrial> TryTier(Tier tier) {
    co_await UntilItWaitsAgain();
    TierTrial one;
    one.tier = tier;
    one.state = instance_->state();
    if (gone()) {
      one.reason = "it has ended: " + instance_->View().reason;
      co_return one;
    }
    if (function().spec.engine == kDocker && tier != Tier::kFrozen) {
      one.result = TierTrial::Result::kRefused;
      one.reason = kContainer;
      Note(checkpoint::ObstacleOf(kContainer));
      co_return one;
    }
    const Result<MoveReport> away = co_await PutAway(tier, one);
    if (!away) {
      const bool ended = gone();
      const std::string& known = instance_->obstacle();
      one.reason = !ended && !known.empty() ? known : away.error().ToString();
      one.result = ended ? TierTrial::Result::kLost : TierTrial::Result::kRefused;
      if (!ended) NoteRefusal(tier, one.reason);
      co_return one;
    }
    one.took = away->took;
    one.memory_before = away->memory_before;
    one.memory_after = away->memory_after;
    one.image_bytes = away->instance.image_bytes;
    co_await BringBack(tier, one);
    co_return one;
  }

  asio::awaitable<Result<MoveReport>> PutAway(Tier tier, TierTrial& one) {
    Result<MoveReport> away;
    for (int attempt = 0; attempt < kAttempts && !gone(); ++attempt) {
      one.state = instance_->state();
      if (tier == Tier::kDisk) {
        away = co_await instance_->Suspend("its trial");
      } else {
        away = co_await instance_->PutInto(tier, "its trial");
      }
      const bool again =
          !away && (away.error().code() == Code::kBusy || away.error().code() == Code::kConflict);
      if (!again) break;
      co_await Pause(kLook);
    }
    co_return away;
  }

  asio::awaitable<void> BringBack(Tier tier, TierTrial& one) {
    Result<MoveReport> back;
    if (tier == Tier::kDisk) {
      back = co_await instance_->Resume("its trial");
    } else {
      back = co_await instance_->TakeBack("its trial");
    }
    // What it waited for may have come, and brought it back.
    const bool here = back || (back.error().code() == Code::kConflict && instance_->IsAwake());
    if (back) one.back = back->took;
    if (here) co_await Pause(kAfterwards);
    const bool lives = here && (!gone() || report_.outcome);
    one.result = lives ? TierTrial::Result::kWorks : TierTrial::Result::kLost;
    if (!lives) one.reason = here ? instance_->View().reason : back.error().ToString();
  }

  void NoteRefusal(Tier tier, const std::string& reason) {
    if (tier == Tier::kDisk && !instance_->obstacles().empty()) {
      for (const auto& obstacle : instance_->obstacles()) Note(obstacle);
    } else {
      Note(checkpoint::ObstacleOf(reason));
    }
  }

  void Note(checkpoint::Obstacle obstacle) {
    if (std::ranges::find(report_.obstacles, obstacle) == report_.obstacles.end())
      report_.obstacles.push_back(std::move(obstacle));
  }

  Workplace& work_;
  const std::shared_ptr<Crew> crew_;
  TrialRequest request_;
  TrialReport report_;
  std::optional<Result<TrialReport>> result_;
  std::optional<Error> stopped_;  // by somebody else
  bool called_ = false;           // it has got its call
  bool over_ = false;             // all was seen
  bool ended_ = false;            // the instance has
  SteadyTime begun_{};            // the call has
  asio::steady_timer pause_;
  asio::steady_timer ended_waiting_;
  std::unique_ptr<Instance> instance_;
};

Trials::Trials(Workplace& workplace, std::function<bool(const Function&)> current)
    : work_(workplace), current_(std::move(current)), gate_(workplace.executor) {}

Trials::~Trials() = default;

asio::awaitable<Result<>> Trials::AwaitPlace(const Crew& crew) {
  const SteadyTime until = work_.clock.Steady() + kWaitsForRoom;
  asio::steady_timer pause(work_.executor);
  while (true) {
    if (trials_.size() >= kAtOnce)
      co_return Fail(Code::kBusy, "{} functions are being tried already (try again later)",
                     trials_.size());
    const std::string& name = crew.function().spec.name;
    if (!crew.HasRoom()) {
      co_return Fail(Code::kBusy,
                     "'{0}' has as many instances as it may have, {1}, and a trial is one more "
                     "(raise max_instances, or the limit of the function with `aws lambda "
                     "put-function-concurrency --function-name {0} …`)",
                     name, crew.Limit());
    }
    if (crew.MayStart()) co_return Result<>{};
    if (work_.clock.Steady() >= until) {
      co_return Fail(Code::kBusy,
                     "there is no room for one more instance of '{}', and nobody gives way (raise "
                     "memory_budget, or try again when less is running)",
                     name);
    }
    pause.expires_after(kLookForRoom);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return Fail(Code::kClosing, "the node is shutting down");
    }
  }
}

asio::awaitable<Result<TrialReport>> Trials::Try(std::shared_ptr<Crew> crew, TrialRequest request) {
  GODWIT_CO_TRY(co_await AwaitPlace(*crew));
  // Shared, for who asked may leave before it is over.
  const auto trial = std::make_shared<Trial>(work_, std::move(crew), std::move(request));
  trials_.push_back(trial);
  const Result<> begun =
      gate_.Spawn([](Trials* self, std::shared_ptr<Trial> mine) -> asio::awaitable<void> {
        co_await mine->Run();
        self->trials_.remove(mine);
      }(this, trial));
  if (!begun) {
    trials_.remove(trial);
    co_return std::unexpected(begun.error());
  }
  while (!trial->over()) {
    co_await trial->ended_waiting().async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return Fail(Code::kClosing, "the node is shutting down");
    }
  }
  co_return trial->Take();
}

void Trials::Tick() {
  for (const auto& trial : trials_) {
    if (!current_(trial->function()))
      trial->Stop(Error(Code::kConflict, "the function was changed meanwhile (try it again)"));
    trial->Tick();
  }
}

asio::awaitable<void> Trials::Close() {
  for (const auto& trial : trials_) trial->Stop(Error(Code::kClosing, "the node is shutting down"));
  co_await gate_.Drain();
}

}  // namespace godwit::functions
