#include "functions/local_platform.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "base/fault.h"
#include "base/gate.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/wake_index.h"
#include "functions/crew.h"
#include "functions/deployer.h"
#include "functions/schema.h"

namespace godwit::functions {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

std::string Workplace::FunctionArn(const std::string& name) const {
  return fmt::format("arn:aws:lambda:{}:{}:function:{}", settings.region, settings.account, name);
}

namespace {

constexpr Nanos kSweep = std::chrono::minutes(10);
constexpr int kWakesSideBySide = 3;
constexpr Nanos kFirstRetry = 1s;  // of a result that could not be written
constexpr Nanos kLastRetry = 30s;
constexpr size_t kMaxLog = 4 << 20;

class Local final : public LocalPlatform {
 public:
  explicit Local(Workplace& workplace)
      : work_(workplace),
        deployer_(workplace),
        tick_(workplace.executor),
        sweep_(workplace.executor),
        gate_(workplace.executor),
        calls_(workplace.executor),
        wake_timer_(workplace.executor, asio::steady_timer::time_point::max()) {
    work_.wake_at = [this](const InstanceId& id, SteadyTime time, Nanos cost) {
      wakes_.Set(id, time, cost);
      wake_timer_.cancel();
    };
    work_.no_wake = [this](const InstanceId& id) { wakes_.Erase(id); };
  }

  Result<> Start() override;
  asio::awaitable<void> Stop() override;

  asio::awaitable<Result<Function>> Create(FunctionSpec spec, std::string zip) override;
  asio::awaitable<Result<Function>> UpdateCode(std::string name, Deployment deployment) override;
  asio::awaitable<Result<Function>> UpdateConfiguration(std::string name,
                                                        FunctionPatch patch) override;
  asio::awaitable<Result<>> Delete(std::string name) override;
  Result<Function> Get(const std::string& name) const override;
  std::vector<Function> List() const override;
  asio::awaitable<Result<std::string>> Zip(std::string name) override;

  asio::awaitable<Result<Outcome>> Invoke(Call call) override;
  asio::awaitable<Result<RequestId>> Submit(Call call) override;
  asio::awaitable<Result<CallRecord>> Find(RequestId id) override;

  std::vector<InstanceView> Instances() const override;
  asio::awaitable<Result<MoveReport>> Suspend(InstanceId id) override;
  asio::awaitable<Result<MoveReport>> Resume(InstanceId id) override;
  asio::awaitable<Result<Diagnosis>> Diagnose(std::string function) override;
  asio::awaitable<Result<std::string>> Logs(std::string function, size_t limit) override;
  asio::awaitable<Result<std::vector<Transition>>> History(InstanceId id) override;

 private:
  struct Deployed {
    Function function;
    std::shared_ptr<Crew> crew;
  };

  asio::awaitable<void> Ticking();
  asio::awaitable<void> Sweeping();
  asio::awaitable<void> Waking();
  asio::awaitable<void> Wake(Instance* instance);
  Result<Deployed*> Lookup(const std::string& name);
  std::shared_ptr<Crew> MakeCrew(const Function& function);
  Instance* FindInstance(const InstanceId& id) const;
  Invocation MakeInvocation(Call call, CallKind kind);
  // What a call whose result is kept does with it.
  void KeepResult(const PendingCall& call, Result<Outcome> result);
  asio::awaitable<void> WriteResult(Outcome outcome, int attempt);
  asio::awaitable<Result<Function>> Publish(Deployed& deployed, Function function);
  Result<> RestoreCalls();
  asio::awaitable<void> DropUnused();

  Workplace& work_;
  Deployer deployer_;
  std::map<std::string, Deployed, std::less<>> functions_;
  std::vector<std::shared_ptr<Crew>> crews_;  // of deleted functions too, until they are empty
  std::vector<Function> former_;  // replaced or removed: their code goes when nothing runs it
  int deploying_ = 0;
  std::set<std::string> creating_;  // names between their acceptance and their place in functions_
  asio::steady_timer tick_;
  asio::steady_timer sweep_;
  bool stopping_ = false;
  Gate gate_;
  Gate calls_;  // results on their way to the journal
  checkpoint::WakeIndex wakes_;
  asio::steady_timer wake_timer_;
  int waking_ = 0;
};

Result<> Local::Start() {
  std::vector<Function> functions;
  std::vector<KeptInstance> instances;
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(functions, AllFunctions(database));
    GODWIT_TRY(instances, AllInstances(database));
    return {};
  }));
  for (const auto& function : functions) {
    GODWIT_TRY(deployer_.Unpack(function));
    functions_.emplace(function.spec.name, Deployed{function, MakeCrew(function)});
  }
  for (auto& kept : instances) {
    GODWIT_TRY(deployer_.Unpack(kept.facts.function));
    const std::string& name = kept.facts.function.spec.name;
    const auto found = functions_.find(name);
    std::shared_ptr<Crew> crew =
        found != functions_.end() ? found->second.crew : MakeCrew(kept.facts.function);
    crew->Restore(std::move(kept), [this](const PendingCall& call, Result<Outcome> result) {
      KeepResult(call, std::move(result));
    });
    if (found == functions_.end()) crew->Retire();
  }
  GODWIT_TRY(RestoreCalls());
  static_cast<void>(gate_.Spawn(Ticking()));
  static_cast<void>(gate_.Spawn(Sweeping()));
  static_cast<void>(gate_.Spawn(Waking()));
  return {};
}

// Calls without a result: those that an instance on disk runs come back with it; Event calls run
// again; the callers of the others are gone, and what became of their call is recorded.
Result<> Local::RestoreCalls() {
  std::set<std::string> on_disk;
  for (const auto& crew : crews_) {
    crew->ForEach([&](const Instance& instance) {
      if (instance.call()) on_disk.insert(instance.call()->invocation.id.text);
    });
  }
  std::vector<KeptCall> calls;
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(calls, UnfinishedCalls(database));
    return {};
  }));
  size_t again = 0;
  for (auto& kept : calls) {
    Invocation& invocation = kept.invocation;
    if (on_disk.contains(invocation.id.text)) continue;
    const PendingCall call{std::move(invocation),
                           [this](const PendingCall& done, Result<Outcome> result) {
                             KeepResult(done, std::move(result));
                           },
                           true};
    const auto found = functions_.find(call.invocation.function);
    if (call.invocation.kind == CallKind::kSync || found == functions_.end()) {
      call.done(call, Fail(Code::kUnavailable, "the node was restarted while the call ran"));
      continue;
    }
    PendingCall retry = call;
    ++retry.invocation.attempt;  // it may have begun: nothing runs twice unseen
    ++again;
    if (auto accepted = found->second.crew->Submit(std::move(retry)); !accepted)
      call.done(call, std::unexpected(accepted.error()));
  }
  if (!on_disk.empty() || again != 0) {
    work_.log.Info("found {} calls put away on disk and {} Event calls to run (again)",
                   on_disk.size(), again);
  }
  return {};
}

asio::awaitable<void> Local::Stop() {
  stopping_ = true;
  tick_.cancel();
  sweep_.cancel();
  wake_timer_.cancel();
  for (const auto& crew : crews_) co_await crew->Close();
  co_await calls_.Drain();
  co_await gate_.Close();
}

asio::awaitable<void> Local::Ticking() {
  while (true) {
    tick_.expires_after(Instance::kLookEvery);
    const auto [cancelled] = co_await tick_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled || stopping_) co_return;
    for (const auto& crew : crews_) crew->Tick();
    if (!former_.empty() && deploying_ == 0) co_await DropUnused();
    std::erase_if(crews_, [&](const auto& crew) {
      const auto found = functions_.find(crew->function().spec.name);
      return crew->empty() && crew->queued() == 0 &&
             (found == functions_.end() || found->second.crew != crew) && crew.use_count() == 1;
    });
  }
}

asio::awaitable<void> Local::Sweeping() {
  while (true) {
    sweep_.expires_after(kSweep);
    const auto [cancelled] = co_await sweep_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled || stopping_) co_return;
    const WallTime before = work_.clock.Wall() - work_.settings.keep_results;
    work_.journal.Note([before](storage::Database& database) {
      return DropCallsFinishedBefore(database, before);
    });
  }
}

// Code that no function names and no instance runs, and its zip.
asio::awaitable<void> Local::DropUnused() {
  std::set<std::string> used;
  for (const auto& [name, deployed] : functions_)
    used.insert({deployed.function.code_id, deployed.function.zip_id});
  for (const auto& crew : crews_) {
    crew->ForEach([&](const Instance& instance) {
      used.insert({instance.function().code_id, instance.function().zip_id});
    });
  }
  std::vector<Function> unused;
  std::erase_if(former_, [&](const Function& function) {
    if (used.contains(function.code_id) && used.contains(function.zip_id)) {
      return std::ranges::any_of(functions_, [&](const auto& one) {
        return one.second.function.code_id == function.code_id;
      });
    }
    unused.push_back(function);
    return true;
  });
  if (unused.empty()) co_return;
  co_await Offload(work_.pool, [&] {
    for (const auto& function : unused) {
      std::error_code error;
      if (!used.contains(function.code_id))
        std::filesystem::remove_all(work_.directories.code + "/" + function.code_id, error);
      if (!used.contains(function.zip_id)) static_cast<void>(work_.blobs.Remove({function.zip_id}));
    }
    return 0;
  });
}

// Brings sleepers back so that none is late: see WakeIndex.
asio::awaitable<void> Local::Waking() {
  while (!stopping_) {
    const auto start =
        waking_ < kWakesSideBySide ? wakes_.NextStart(kWakesSideBySide) : std::nullopt;
    const Nanos left = start ? *start - work_.clock.Steady() : Nanos::max();
    if (left <= Nanos(0)) {
      const auto id = wakes_.Pop();
      if (Instance* instance = FindInstance(*id);
          instance != nullptr && instance->state() == State::kSuspended) {
        ++waking_;
        static_cast<void>(calls_.Spawn(Wake(instance)));
      }
      continue;
    }
    if (start) {
      wake_timer_.expires_after(left);
    } else {
      wake_timer_.expires_at(asio::steady_timer::time_point::max());
    }
    co_await wake_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<void> Local::Wake(Instance* instance) {
  static_cast<void>(co_await instance->Resume("what it waits for is due"));
  --waking_;
  wake_timer_.cancel();
}

Result<Local::Deployed*> Local::Lookup(const std::string& name) {
  const auto found = functions_.find(name);
  if (found == functions_.end())
    return Fail(Code::kNotFound, "Function not found: {}", work_.FunctionArn(name));
  return &found->second;
}

std::shared_ptr<Crew> Local::MakeCrew(const Function& function) {
  auto crew = std::make_shared<Crew>(work_, function, [this] {
    int starting = 0;
    for (const auto& one : crews_) starting += one->starting();
    return starting < work_.settings.max_starting;
  });
  crews_.push_back(crew);
  return crew;
}

Instance* Local::FindInstance(const InstanceId& id) const {
  for (const auto& crew : crews_) {
    if (Instance* instance = crew->Find(id)) return instance;
  }
  return nullptr;
}

asio::awaitable<Result<Function>> Local::Create(FunctionSpec spec, std::string zip) {
  const std::string name = spec.name;
  if (functions_.contains(name) || creating_.contains(name)) {
    co_return Fail(Code::kConflict, "Function already exist: {}", name);
  }
  creating_.insert(name);
  ++deploying_;
  const ScopeExit created([&] {
    creating_.erase(name);
    --deploying_;
  });
  GODWIT_CO_TRY(const Function function,
                co_await deployer_.Deploy(std::move(spec), std::move(zip)));
  GODWIT_CO_TRY(co_await work_.journal.Write(
      [&](storage::Database& database) { return PutFunction(database, function); }));
  functions_.emplace(name, Deployed{function, MakeCrew(function)});
  co_return function;
}

asio::awaitable<Result<Function>> Local::Publish(Deployed& deployed, Function function) {
  function.revision_id = RequestId::New(work_.entropy).text;
  function.last_modified = work_.clock.Wall();
  GODWIT_CO_TRY(co_await work_.journal.Write(
      [&](storage::Database& database) { return PutFunction(database, function); }));
  former_.push_back(std::exchange(deployed.function, std::move(function)));
  deployed.crew->Update(deployed.function);
  co_return deployed.function;
}

Result<> CheckRevision(const Function& function, const std::optional<std::string>& revision) {
  if (!revision || *revision == function.revision_id) return {};
  return Fail(Code::kStale,
              "The Revision Id provided does not match the latest Revision Id. Call the "
              "GetFunction/GetAlias API to"
              " retrieve the latest Revision Id");
}

asio::awaitable<Result<Function>> Local::UpdateCode(std::string name, Deployment deployment) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(name));
  GODWIT_CO_TRY(CheckRevision(deployed->function, deployment.revision_id));
  ++deploying_;
  const ScopeExit ended([&] { --deploying_; });
  GODWIT_CO_TRY(Function function,
                co_await deployer_.Deploy(deployed->function.spec, std::move(deployment.zip)));
  if (deployment.dry_run) co_return function;
  GODWIT_CO_TRY(deployed, Lookup(name));  // it may have gone meanwhile
  function.spec = deployed->function.spec;
  co_return co_await Publish(*deployed, std::move(function));
}

asio::awaitable<Result<Function>> Local::UpdateConfiguration(std::string name,
                                                             FunctionPatch patch) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(name));
  GODWIT_CO_TRY(CheckRevision(deployed->function, patch.revision_id));
  Function function = deployed->function;
  GODWIT_CO_TRY(deployer_.Apply(function.spec, patch));
  co_return co_await Publish(*deployed, std::move(function));
}

asio::awaitable<Result<>> Local::Delete(std::string name) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(name));
  static_cast<void>(deployed);
  GODWIT_CO_TRY(co_await work_.journal.Write(
      [&](storage::Database& database) { return DropFunction(database, name); }));
  const auto found = functions_.find(name);
  if (found == functions_.end())
    co_return Fail(Code::kNotFound, "Function not found: {}", work_.FunctionArn(name));
  const auto crew = found->second.crew;
  former_.push_back(found->second.function);
  functions_.erase(found);
  crew->Retire();
  co_return Result<>{};
}

Result<Function> Local::Get(const std::string& name) const {
  const auto found = functions_.find(name);
  if (found == functions_.end())
    return Fail(Code::kNotFound, "Function not found: {}", work_.FunctionArn(name));
  return found->second.function;
}

std::vector<Function> Local::List() const {
  std::vector<Function> list;
  for (const auto& [name, deployed] : functions_) list.push_back(deployed.function);
  return list;
}

asio::awaitable<Result<std::string>> Local::Zip(std::string name) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(name));
  const storage::BlobId zip{deployed->function.zip_id};
  co_return co_await Offload(work_.pool, [&] { return work_.blobs.Get(zip, kMaxCode); });
}

Invocation Local::MakeInvocation(Call call, CallKind kind) {
  Invocation invocation;
  invocation.id = RequestId::New(work_.entropy);
  invocation.function = std::move(call.function);
  invocation.kind = kind;
  invocation.payload = std::move(call.payload);
  invocation.client_context = std::move(call.client_context);
  invocation.trace_id = std::move(call.trace_id);
  invocation.accepted = work_.clock.Wall();
  return invocation;
}

asio::awaitable<Result<Outcome>> Local::Invoke(Call call) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(call.function));
  struct Waiting {
    asio::steady_timer done;
    std::optional<Result<Outcome>> result;
  };
  // Shared, for the caller may leave before the call ends.
  const auto waiting = std::make_shared<Waiting>(
      asio::steady_timer(work_.executor, asio::steady_timer::time_point::max()), std::nullopt);
  PendingCall pending{MakeInvocation(std::move(call), CallKind::kSync),
                      [this, waiting](const PendingCall& ended, Result<Outcome> result) {
                        if (ended.kept) KeepResult(ended, result);
                        waiting->result = std::move(result);
                        waiting->done.cancel();
                      }};
  GODWIT_CO_TRY(deployed->crew->Submit(std::move(pending)));
  while (!waiting->result) {
    co_await waiting->done.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      co_return Fail(Code::kClosing, "the node is shutting down");
    }
  }
  co_return *std::move(waiting->result);
}

asio::awaitable<Result<RequestId>> Local::Submit(Call call) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(call.function));
  if (static_cast<int>(deployed->crew->queued()) >= work_.settings.max_queued) {
    co_return Fail(Code::kBusy, "{} calls of '{}' are waiting already (try again later)",
                   deployed->crew->queued(), call.function);
  }
  const std::string name = call.function;
  PendingCall pending{MakeInvocation(std::move(call), CallKind::kEvent),
                      [this](const PendingCall& ended, Result<Outcome> result) {
                        KeepResult(ended, std::move(result));
                      },
                      true};
  const RequestId id = pending.invocation.id;
  GODWIT_CO_TRY(co_await work_.journal.Write([&](storage::Database& database) {
    return PutCall(database, pending.invocation, CallStatus::kQueued, std::nullopt);
  }));
  GODWIT_FAULT(kInvocationAccepted);
  GODWIT_CO_TRY(deployed, Lookup(name));
  if (auto queued = deployed->crew->Submit(pending); !queued) {
    pending.done(pending, std::unexpected(queued.error()));
    co_return std::unexpected(queued.error());
  }
  co_return id;
}

void Local::KeepResult(const PendingCall& call, Result<Outcome> result) {
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
  outcome.id = call.invocation.id;
  outcome.log_tail.clear();
  static_cast<void>(calls_.Spawn(WriteResult(std::move(outcome), call.invocation.attempt)));
}

// A store that is full, say, may have room later: the result waits in memory until then, or until
// the node stops, and the next one runs the call again.
asio::awaitable<void> Local::WriteResult(Outcome outcome, int attempt) {
  const WallTime at = work_.clock.Wall();
  asio::steady_timer pause(work_.executor);
  for (Nanos wait = kFirstRetry;; wait = std::min(wait * 2, kLastRetry)) {
    const Result<> written = co_await work_.journal.Write(
        [&](storage::Database& database) { return FinishCall(database, outcome, attempt, at); });
    GODWIT_FAULT(kResultKept);
    if (written) co_return;
    work_.log.Error("cannot keep the result of '{}' yet: {}", outcome.id.text,
                    written.error().ToString());
    for (Nanos waited{}; waited < wait && !stopping_; waited += kFirstRetry) {
      pause.expires_after(kFirstRetry);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (stopping_) co_return;
  }
}

asio::awaitable<Result<CallRecord>> Local::Find(RequestId id) {
  GODWIT_CO_TRY(auto record, co_await work_.journal.Read([&](storage::Database& database) {
    return FindCall(database, id);
  }));
  if (!record)
    co_return Fail(Code::kNotFound,
                   "no call '{}' is kept (results of Event calls are kept for a day)", id.text);
  for (const auto& crew : crews_) {
    crew->ForEach([&](const Instance& instance) {
      if (!instance.call() || instance.call()->invocation.id != id || record->finished) return;
      record->status = CallStatus::kRunning;
      record->instance = instance.id();
      record->attempt = instance.call()->invocation.attempt;
    });
  }
  co_return *std::move(record);
}

std::vector<InstanceView> Local::Instances() const {
  std::vector<InstanceView> views;
  for (const auto& crew : crews_) {
    crew->ForEach([&](const Instance& instance) { views.push_back(instance.View()); });
  }
  std::ranges::sort(views, {},
                    [](const InstanceView& view) { return std::tie(view.function, view.id); });
  return views;
}

asio::awaitable<Result<MoveReport>> Local::Suspend(InstanceId id) {
  Instance* instance = FindInstance(id);
  if (instance == nullptr)
    co_return Fail(Code::kNotFound, "no instance '{}' (see `godwit ps`)", id.text);
  co_return co_await instance->Suspend("by hand");
}

asio::awaitable<Result<MoveReport>> Local::Resume(InstanceId id) {
  Instance* instance = FindInstance(id);
  if (instance == nullptr)
    co_return Fail(Code::kNotFound, "no instance '{}' (see `godwit ps`)", id.text);
  co_return co_await instance->Resume("by hand");
}

asio::awaitable<Result<Diagnosis>> Local::Diagnose(std::string function) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(function));
  const auto crew = deployed->crew;
  GODWIT_CO_TRY(Instance * instance, co_await crew->Awaken());
  co_return co_await instance->Try();
}

asio::awaitable<Result<std::string>> Local::Logs(std::string function, size_t limit) {
  GODWIT_CO_TRY(Deployed * deployed, Lookup(function));
  limit = std::min(limit, kMaxLog);
  std::string live;
  for (const auto& crew : crews_) {
    if (crew->function().spec.name != function) continue;
    crew->ForEach([&](const Instance& instance) { live += instance.LogTail(limit); });
  }
  static_cast<void>(deployed);
  const std::string path = work_.directories.logs + "/" + function + ".log";
  std::string text = co_await Offload(work_.pool, [&]() -> std::string {
    const Result<Fd> file = Open(path, O_RDONLY);
    if (!file) return "";
    return ReadAll(file->get(), 64 << 20).value_or("");
  });
  text += live;
  if (text.size() > limit) text.erase(0, text.size() - limit);
  co_return text;
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
