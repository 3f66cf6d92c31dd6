#include "functions/crew.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/try.h"
#include "functions/bakery.h"

namespace godwit::functions {

namespace asio = boost::asio;

Crew::Crew(Workplace& workplace, Function function, std::function<bool()> may_start)
    : workplace_(workplace),
      function_(std::move(function)),
      may_start_(std::move(may_start)),
      scale_(workplace.executor),
      gate_(workplace.executor) {}

Crew::~Crew() = default;

int Crew::Limit() const {
  const int own = function_.spec.max_instances;
  return own > 0 ? std::min(own, workplace_.settings.max_instances)
                 : workplace_.settings.max_instances;
}

int Crew::starting() const {
  return static_cast<int>(std::ranges::count_if(instances_, [](const auto& instance) {
    return instance->state() == State::kStarting ||
           (instance->state() == State::kResuming && instance->idle());
  }));
}

Instance* Crew::Find(const InstanceId& id) {
  const auto found =
      std::ranges::find_if(instances_, [&](const auto& instance) { return instance->id() == id; });
  return found == instances_.end() ? nullptr : found->get();
}

Result<> Crew::Submit(PendingCall call) {
  if (retired_) return std::unexpected(Deleted());
  if (static_cast<int>(queue_.size()) >= workplace_.settings.max_queued) {
    return Fail(Code::kBusy, "{} calls of '{}' are waiting already (try again later)",
                queue_.size(), function_.spec.name);
  }
  Queue(std::move(call));
  return {};
}

void Crew::Queue(PendingCall call) {
  queue_.push_back(std::move(call));
  if (!Serve()) {
    // Somebody at work may be free in a moment; those who are put away, or blocked, will not.
    const bool soon = std::ranges::any_of(instances_, [](const auto& instance) {
      const State state = instance->state();
      return state == State::kBusy || state == State::kStarting || state == State::kResuming;
    });
    soon ? ScaleLater() : Pump();
  }
}

bool Crew::Serve() {
  while (!queue_.empty() && !ready_.empty()) {
    Instance* instance = ready_.back();
    ready_.pop_back();
    if (!instance->ReadyForCall()) continue;
    PendingCall call = std::move(queue_.front());
    queue_.pop_front();
    instance->Assign(std::move(call));
    return true;
  }
  return queue_.empty();
}

void Crew::ScaleLater() {
  if (scaling_) return;
  scaling_ = true;
  scale_.expires_after(kScaleAfter);
  static_cast<void>(gate_.Spawn([](Crew* self) -> asio::awaitable<void> {
    const auto [cancelled] = co_await self->scale_.async_wait(asio::as_tuple(asio::use_awaitable));
    self->scaling_ = false;
    if (!cancelled) self->Pump();
  }(this)));
}

// One instance for each call that waits: those put away first, for they have their state and come
// back faster than a start.
void Crew::Pump() {
  if (retired_) return;
  for (int wanted = static_cast<int>(queue_.size()) - starting(); wanted > 0; --wanted) {
    const auto asleep = std::ranges::find_if(instances_, [&](const auto& instance) {
      return instance->Rests() && instance->function().revision_id == function_.revision_id;
    });
    if (asleep != instances_.end()) {
      Instance* instance = asleep->get();
      static_cast<void>(gate_.Spawn([](Instance* woken) -> asio::awaitable<void> {
        static_cast<void>(co_await woken->Resume("a call waits"));
      }(instance)));
      continue;  // it is on its way already: a spawned task runs at once to its first wait
    }
    if (!HasRoom() || !may_start_()) break;
    Start();
  }
  if (!queue_.empty()) ScaleLater();
}

void Crew::Release(Instance& guest) {
  if (std::erase(guests_, &guest) > 0) Pump();
}

void Crew::Start() {
  const auto source = workplace_.bakery != nullptr ? workplace_.bakery->For(function_) : nullptr;
  if (spare_ && spare_->unborn_clone_of() != source.get()) DropSpare();
  const bool ready = spare_ && spare_->built_ahead();
  instances_.push_back(ready ? std::move(spare_) : NewInstance(source));
  instances_.back()->Start();
}

std::unique_ptr<Instance> Crew::NewInstance(std::shared_ptr<const Template> source) {
  if (!shared_function_) shared_function_ = std::make_shared<const Function>(function_);
  return std::make_unique<Instance>(workplace_, *this, InstanceId::New(workplace_.entropy),
                                    shared_function_, Beginning{false, "", std::move(source)});
}

void Crew::KeepSpare(bool wanted) {
  if (spare_ && !wanted) DropSpare();
  if (spare_ || !wanted || retired_ || !HasRoom() || workplace_.bakery == nullptr) return;
  auto source = workplace_.bakery->Of(function_);
  if (!source) return;
  spare_ = NewInstance(std::move(source));
  spare_->BuildAhead();
}

// It ends as any other.
void Crew::DropSpare() {
  if (!spare_) return;
  instances_.push_back(std::move(spare_));
  instances_.back()->Stop("not needed", Error(Code::kClosing, "it was not needed"));
}

void Crew::Restore(KeptInstance kept, PendingCall::Done done) {
  instances_.push_back(
      std::make_unique<Instance>(workplace_, *this, std::move(kept), std::move(done)));
  instances_.back()->Found();
}

void Crew::Update(Function function) {
  DropSpare();
  function_ = std::move(function);
  shared_function_.reset();
  std::vector<Instance*> old;
  for (const auto& instance : instances_) {
    if (instance->idle() && !instance->moving()) old.push_back(instance.get());
  }
  for (Instance* instance : old)
    instance->Stop("replaced", Error(Code::kConflict, "the function was changed"));
}

Error Crew::Deleted() const {
  const Error error = FunctionNotFound(workplace_.FunctionArn(function_.spec.name));
  return {error.code(), error.reason() + " (it has been deleted)"};
}

void Crew::Retire() {
  retired_ = true;
  DropSpare();
  const Error deleted = Deleted();
  for (auto& call : queue_) call.done(call, std::unexpected(deleted));
  queue_.clear();
  for (const auto& instance : instances_) instance->Stop("deleted", deleted);
}

void Crew::Tick() {
  for (const auto& instance : instances_) {
    // Found on disk, or on its way there when the function was changed: nobody calls it any more.
    if (instance->Rests() && instance->function().revision_id != function_.revision_id) {
      instance->Stop("replaced", Error(Code::kConflict, "the function was changed"));
    } else {
      instance->Tick();
    }
  }
}

void Crew::WantsCall(Instance& instance) {
  if (retired_ || instance.function().revision_id != function_.revision_id) {
    instance.Stop("replaced", Error(Code::kConflict, "the function was changed"));
    return;
  }
  std::erase(ready_, &instance);
  // Who has to be thawed first is the last choice.
  ready_.insert(instance.state() == State::kReady ? ready_.end() : ready_.begin(), &instance);
  Serve();
}

void Crew::FailOldest(const FailedStart& why) {
  if (queue_.empty()) return;
  const PendingCall call = std::move(queue_.front());
  queue_.pop_front();
  Outcome outcome;
  outcome.id = call.invocation.id;
  outcome.function_error = "Unhandled";
  outcome.payload =
      why.body.empty() ? ErrorObject(call.invocation.id, why.type, why.message) : why.body;
  call.done(call, std::move(outcome));
}

void Crew::HasEnded(Instance& instance) {
  std::erase(ready_, &instance);
  // The call of a clone that did not come to life gets a plain start.
  const Template* unborn = instance.started() ? instance.unborn_clone_of() : nullptr;
  if (unborn != nullptr && !retired_) {
    workplace_.bakery->Spoiled(*unborn, instance.View().reason);
  } else if (instance.failed_start()) {
    FailOldest(*instance.failed_start());
  }
  static_cast<void>(gate_.Spawn(Bury(&instance)));
}

asio::awaitable<void> Crew::Bury(Instance* instance) {
  co_await instance->Close();
  if (spare_.get() == instance) spare_.reset();
  std::erase_if(instances_, [&](const auto& one) { return one.get() == instance; });
  Pump();
}

asio::awaitable<void> Crew::Close() {
  retired_ = true;
  if (spare_) instances_.push_back(std::move(spare_));
  scale_.cancel();
  for (const auto& call : queue_)
    call.done(call, Fail(Code::kClosing, "the node is shutting down"));
  queue_.clear();
  ready_.clear();
  co_await gate_.Drain();
  Gate closing(workplace_.executor);
  for (const auto& instance : instances_) static_cast<void>(closing.Spawn(End(*instance)));
  co_await closing.Drain();
  instances_.clear();
}

// What is in the middle of a call is kept for the next node; what cannot be is ended.
asio::awaitable<void> Crew::End(Instance& instance) {
  co_await instance.Still();
  asio::steady_timer pause(workplace_.executor);
  while (instance.call() && workplace_.suspending >= Instance::kSideBySide) {
    pause.expires_after(kScaleAfter);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  const bool stays = instance.function().spec.engine != kDocker;  // a container does not
  if (instance.call() && stays)
    static_cast<void>(co_await instance.Suspend("the node stops", true));
  co_await instance.Close();
}

}  // namespace godwit::functions
