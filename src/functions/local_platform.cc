#include "functions/local_platform.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <set>

#include "base/gate.h"
#include "base/try.h"
#include "functions/bakery.h"
#include "functions/callbacks.h"
#include "functions/calls.h"
#include "functions/catalogue.h"
#include "functions/crews.h"
#include "functions/image_bond.h"
#include "functions/image_shelf.h"
#include "functions/json_check.h"
#include "functions/schema.h"
#include "functions/travel.h"
#include "functions/trial.h"
#include "functions/waker.h"
#include "functions/wall_keeper.h"

namespace godwit::functions {

namespace asio = boost::asio;

std::string Workplace::FunctionArn(const std::string& name) const {
  return fmt::format("arn:aws:lambda:{}:{}:function:{}", settings.region, settings.account, name);
}

namespace {

constexpr size_t kMaxLog = 4 << 20;

// Whether an image, and what it refers to, is all there.
Result<> CheckImages(storage::Blobs& blobs, const KeptInstance& kept) {
  const auto ignore = [](std::string_view) { return Result<>(); };
  for (const auto& base : BasesOf(kept.facts)) GODWIT_TRY(blobs.Stream(base.id, ignore, base.bond));
  return blobs.Stream(kept.image, ignore, BondOf(kept.facts));
}

Error NoSuchInstance(const InstanceId& id) {
  return {Code::kNotFound, fmt::format("no instance '{}' (see `godwit ps`)", id.text)};
}

class Local final : public LocalPlatform {
 public:
  explicit Local(Workplace& workplace)
      : work_(workplace),
        images_(workplace),
        crews_(workplace),
        bakery_(
            workplace, [this](const Function& function) { return IsCalm(function); },
            [this](const std::string& function, bool wanted) {
              if (const auto crew = catalogue_.Find(function)) crew->KeepSpare(wanted);
            }),
        catalogue_(workplace, crews_),
        calls_(workplace, catalogue_, crews_),
        callbacks_(workplace, crews_, calls_.away()),
        waker_(workplace.executor, workplace.clock,
               [this](InstanceId id) { return WakeUp(std::move(id)); }),
        walls_(workplace.settings.kept_walls),
        trials_(workplace,
                [this](const Function& function) {
                  const auto now = catalogue_.Get(function.spec.name);
                  return now && now->revision_id == function.revision_id;
                }),
        travel_(workplace, catalogue_, crews_, calls_),
        tick_(workplace.executor),
        gate_(workplace.executor) {
    work_.wake_at = [this](const InstanceId& id, SteadyTime due, Nanos cost) {
      waker_.Set(id, due, cost);
    };
    if (work_.network != nullptr) {
      work_.network->OnRing([this](network::Address address, const network::Packet&) {
        crews_.ForEach([&](Instance& instance) {
          if (instance.address() == address) instance.Knocked();
        });
      });
    }
    work_.no_wake = [this](const InstanceId& id) {
      waker_.Forget(id);
      walls_.Erase(id);
    };
    work_.walls_stand = [this](const InstanceId& id, std::optional<SteadyTime> due) {
      walls_.Stand(id, due, work_.clock.Steady());
    };
    work_.fenced = [this](const InstanceId& id, PendingCall call) {
      calls_.WentAway(std::move(call), "", id);
    };
    work_.bakery = &bakery_;
    work_.images = &images_;
    images_.OnUnsafe([this](const InstanceId& id, const storage::BlobId& image, const Error& why) {
      if (Instance* instance = crews_.Find(id)) instance->ImageIsUnsafe(image, why);
    });
  }
  ~Local() override {
    work_.bakery = nullptr;
    work_.images = nullptr;
  }

  Result<> Start() override;
  asio::awaitable<void> Stop() override;
  Travel& travel() override { return travel_; }

  asio::awaitable<Result<Function>> Create(FunctionSpec spec, std::string zip) override {
    return catalogue_.Create(std::move(spec), std::move(zip));
  }
  asio::awaitable<Result<Function>> UpdateCode(std::string name, Deployment deployment) override {
    return catalogue_.UpdateCode(std::move(name), std::move(deployment));
  }
  asio::awaitable<Result<Function>> UpdateConfiguration(std::string name,
                                                        FunctionPatch patch) override {
    return catalogue_.UpdateConfiguration(std::move(name), std::move(patch));
  }
  asio::awaitable<Result<>> Delete(std::string name) override {
    return catalogue_.Delete(std::move(name));
  }
  Result<Function> Get(const std::string& name) const override { return catalogue_.Get(name); }
  std::vector<Function> List() const override { return catalogue_.List(); }
  asio::awaitable<Result<std::string>> Zip(std::string name) override {
    return catalogue_.Zip(std::move(name));
  }
  ImageUploads* images() override { return &catalogue_.images(); }
  Abroad* abroad() override { return work_.abroad; }

  asio::awaitable<Result<Outcome>> Invoke(Call call) override {
    return calls_.Invoke(std::move(call));
  }
  asio::awaitable<Result<RequestId>> Submit(Call call) override {
    return calls_.Submit(std::move(call));
  }
  asio::awaitable<Result<CallRecord>> Find(RequestId id) override {
    return calls_.Find(std::move(id));
  }
  asio::awaitable<Result<uint32_t>> Deliver(Callback callback) override {
    return callbacks_.Deliver(std::move(callback));
  }

  std::vector<InstanceView> Instances() const override;
  std::vector<CopyView> Copies() const override {
    std::vector<CopyView> copies;
    for (const auto& copy : travel_.replicas().All())
      copies.push_back({copy.id, copy.function, copy.owner, copy.call, copy.image_bytes});
    return copies;
  }
  Result<placement::Facts> Why(const InstanceId& id) const override {
    const Instance* instance = crews_.Find(id);
    if (instance == nullptr) return std::unexpected(NoSuchInstance(id));
    return instance->Why();
  }
  asio::awaitable<Result<MoveReport>> Suspend(InstanceId id, Tier tier) override;
  asio::awaitable<Result<MoveReport>> Resume(InstanceId id) override;
  asio::awaitable<Result<TrialReport>> Try(std::string function, TrialRequest request) override;
  asio::awaitable<Result<LogText>> Logs(std::string function, LogRange asked) override;
  asio::awaitable<Result<std::vector<Transition>>> History(InstanceId id) override;

 private:
  Result<std::vector<ImageShelf::Held>> ShelveImages(std::vector<KeptInstance>& instances);
  Result<ImageShelf::Held> ForgetInstance(const KeptInstance& kept);
  Result<bool> RestoreInstance(KeptInstance kept);  // false: it is lost
  Result<> BuryInstance(const KeptInstance& kept, const Error& why);
  asio::awaitable<void> Ticking();
  asio::awaitable<void> WakeUp(InstanceId id);
  void LetWallsGo();
  bool IsCalm(const Function& function) const;

  Workplace& work_;
  ImageShelf images_;
  Crews crews_;
  Bakery bakery_;
  Catalogue catalogue_;
  Calls calls_;
  Callbacks callbacks_;
  Waker waker_;
  WallKeeper walls_;
  Trials trials_;
  Travel travel_;
  asio::steady_timer tick_;
  bool stopping_ = false;
  Gate gate_;
};

Result<> Local::Start() {
  std::vector<Function> functions;
  std::vector<KeptInstance> instances;
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(functions, AllFunctions(database));
    GODWIT_TRY(instances, AllInstances(database));
    return {};
  }));
  for (auto& function : functions) catalogue_.Restore(std::move(function));
  GODWIT_TRY(const std::vector<ImageShelf::Held> held, ShelveImages(instances));
  GODWIT_TRY(travel_.replicas().Start());
  GODWIT_TRY(bakery_.Start(catalogue_.List()));
  std::set<std::string> on_disk;  // the calls of instances that are
  for (auto& kept : instances) {
    const std::string call = kept.facts.call ? kept.facts.call->id.text : "";
    GODWIT_TRY(const bool is, RestoreInstance(std::move(kept)));
    if (is && !call.empty()) on_disk.insert(call);
  }
  GODWIT_TRY(calls_.Start(on_disk));
  images_.Begin();
  waker_.Start();
  static_cast<void>(gate_.Spawn(Ticking()));
  return {};
}

// All of them, before anything that they refer to can be taken for unneeded. Those that a power cut
// took, before they were synced, are as if they had run: a call of theirs is in the store as one
// that ran, and nothing of them was told to anybody as safe.
Result<std::vector<ImageShelf::Held>> Local::ShelveImages(std::vector<KeptInstance>& instances) {
  std::vector<ImageShelf::Held> held;
  std::vector<KeptInstance> whole;
  for (KeptInstance& kept : instances) {
    if (!kept.synced && kept.facts.boot != work_.boot) {
      const Result<> read = CheckImages(work_.blobs, kept);
      // Whatever else stands in the way of reading it, its resume will tell.
      if (!read &&
          (read.error().code() == Code::kCorrupt || read.error().code() == Code::kNotFound)) {
        work_.log.Warning("the power cut took instance '{}': {}", kept.facts.instance.text,
                          read.error().ToString());
        // Held like the others: what it refers to may be theirs as well.
        GODWIT_TRY(ImageShelf::Held gone, ForgetInstance(kept));
        held.push_back(std::move(gone));
        continue;
      }
    }
    held.push_back(images_.Own(kept));
    whole.push_back(std::move(kept));
  }
  instances = std::move(whole);
  return held;
}

Result<ImageShelf::Held> Local::ForgetInstance(const KeptInstance& kept) {
  const InstanceId& id = kept.facts.instance;
  GODWIT_TRY(work_.journal.WriteNow(
      [&](storage::Database& database) { return DropInstance(database, id); }));
  Lifecycle life(id, State::kSuspended, work_.clock, work_.observe);
  static_cast<void>(life.Move(State::kLost, "a power cut took its image"));
  ImageShelf::Held image = images_.Own(kept);
  image->Drop();
  std::error_code error;
  std::filesystem::remove_all(work_.directories.instances + "/" + id.text, error);
  return image;
}

Result<bool> Local::RestoreInstance(KeptInstance kept) {
  const Function& function = *kept.facts.function;
  if (const Result<> unpacked = catalogue_.UnpackFor(function); !unpacked) {
    const Code code = unpacked.error().code();
    if (code == Code::kNotFound || code == Code::kCorrupt) {
      GODWIT_TRY(BuryInstance(kept, unpacked.error()));
      return false;
    }
    // Nothing is lost: a later start may have the room, say.
    work_.log.Warning("instance '{}' stays on disk until the next start: {}",
                      kept.facts.instance.text, unpacked.error().ToString());
    return true;
  }
  std::shared_ptr<Crew> crew = catalogue_.Find(function.spec.name);
  const bool deleted = crew == nullptr;
  if (deleted) crew = crews_.Make(function);
  const InstanceId id = kept.facts.instance;
  const bool shared = kept.facts.epoch != 0 && work_.abroad != nullptr;
  crew->Restore(std::move(kept), calls_.Keeper());
  // Another node may have taken it over while this one was down.
  if (shared) static_cast<void>(crews_.Find(id)->Hold("waits for the site to say whose it is"));
  if (deleted) crew->Retire();
  return true;
}

// Without its code it cannot come back: its call is told so, and what is left of it goes.
Result<> Local::BuryInstance(const KeptInstance& kept, const Error& why) {
  const InstanceId& id = kept.facts.instance;
  work_.log.Warning("instance '{}' is lost: {}", id.text, why.ToString());
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    if (kept.facts.call) {
      Outcome outcome;
      outcome.id = kept.facts.call->id;
      outcome.function_error = "Unhandled";
      outcome.payload = ErrorObject(outcome.id, "Godwit.ImageLost",
                                    fmt::format("cannot resume '{}': {}", id.text, why.ToString()));
      GODWIT_TRY(FinishCall(database, outcome, kept.facts.call->attempt, work_.clock.Wall()));
    }
    return DropInstance(database, id);
  }));
  Lifecycle life(id, State::kSuspended, work_.clock, work_.observe);
  static_cast<void>(life.Move(State::kLost, why.ToString()));
  images_.Own(kept)->Drop();
  std::error_code error;
  std::filesystem::remove_all(work_.directories.instances + "/" + id.text, error);
  return {};
}

asio::awaitable<void> Local::Stop() {
  stopping_ = true;
  calls_.Close();
  callbacks_.Close();
  tick_.cancel();
  co_await trials_.Close();
  co_await catalogue_.Close();
  co_await bakery_.Close();
  co_await waker_.Stop();
  co_await crews_.Close();
  co_await calls_.Stop();
  travel_.Close();
  co_await images_.Close();
  co_await gate_.Close();
}

asio::awaitable<void> Local::Ticking() {
  while (true) {
    tick_.expires_after(Instance::kLookEvery);
    const auto [cancelled] = co_await tick_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled || stopping_) co_return;
    crews_.Tick();
    bakery_.Tick();
    trials_.Tick();
    catalogue_.Tick();
    LetWallsGo();
  }
}

void Local::LetWallsGo() {
  for (const InstanceId& id : walls_.TakeSurplus(work_.clock.Steady())) {
    if (Instance* instance = crews_.Find(id)) instance->LeaveWalls();
  }
}

bool Local::IsCalm(const Function& function) const {
  if (work_.suspending > 0) return false;
  bool calm = true;
  crews_.ForEachCrew([&](const Crew& crew) {
    if (crew.starting() > 0 || crew.queued() > 0) calm = false;
  });
  const auto crew = catalogue_.Find(function.spec.name);
  return calm && crew != nullptr && crew->HasRoom();
}

asio::awaitable<void> Local::WakeUp(InstanceId id) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr) co_return;
  if (instance->state() != State::kSuspended && instance->state() != State::kFrozen) co_return;
  static_cast<void>(co_await instance->Resume(std::string(instance->WakeReason())));
}

std::vector<InstanceView> Local::Instances() const {
  std::vector<InstanceView> views;
  crews_.ForEach([&](const Instance& instance) {
    // One that lives elsewhere is there for the eye, even while its walls come down here.
    if (instance.state() != State::kMoved) views.push_back(instance.View());
  });
  std::ranges::sort(views, {},
                    [](const InstanceView& view) { return std::tie(view.function, view.id); });
  return views;
}

asio::awaitable<Result<MoveReport>> Local::Suspend(InstanceId id, Tier tier) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr) co_return std::unexpected(NoSuchInstance(id));
  co_return tier == Tier::kDisk ? co_await instance->Suspend("by hand")
                                : co_await instance->PutInto(tier, "by hand");
}

asio::awaitable<Result<MoveReport>> Local::Resume(InstanceId id) {
  Instance* instance = crews_.Find(id);
  if (instance == nullptr) co_return std::unexpected(NoSuchInstance(id));
  const State state = instance->state();
  if (state == State::kFrozen || state == State::kSpilled)
    co_return co_await instance->TakeBack("by hand");
  co_return co_await instance->Resume("by hand");
}

asio::awaitable<Result<TrialReport>> Local::Try(std::string function, TrialRequest request) {
  if (stopping_) co_return Fail(Code::kClosing, "the node is shutting down");
  GODWIT_CO_TRY(CheckJson(request.event).Within("the event is not JSON"));
  GODWIT_CO_TRY(const auto crew, catalogue_.CrewFor(function));
  GODWIT_CO_TRY(TrialReport report, co_await trials_.Try(crew, std::move(request)));
  report.prebaked = bakery_.Why(crew->function());
  co_return report;
}

asio::awaitable<Result<LogText>> Local::Logs(std::string function, LogRange asked) {
  GODWIT_CO_TRY(catalogue_.Get(function));
  asked.bytes = std::min(asked.bytes, kMaxLog);
  crews_.ForEachCrew([&](const Crew& crew) {
    if (crew.function().spec.name == function)
      crew.ForEach([](Instance& instance) { instance.FlushLog(); });
  });
  co_return co_await Offload(work_.pool,
                             [&] { return ReadLog(work_.directories.logs, function, asked); });
}

asio::awaitable<Result<std::vector<Transition>>> Local::History(InstanceId id) {
  co_return co_await work_.journal.Read(
      [&](storage::Database& database) { return TransitionsOf(database, id); });
}

}  // namespace

std::unique_ptr<LocalPlatform> MakeLocalPlatform(Workplace& workplace) {
  return std::make_unique<Local>(workplace);
}

}  // namespace godwit::functions
