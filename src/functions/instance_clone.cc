// How an instance becomes a template, and how another comes to life from one.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "functions/bakery.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;

// As a start, but what runs is restored. READY or STOPPED follows by itself.
asio::awaitable<void> Instance::RunClone() {
  const std::shared_ptr<const Template> source = beginning_.clone_of;
  if (!ahead_) KeepTemplate(ClockOffset(source->facts, workplace_));
  Result<> here = co_await BringCloneIn();
  kept_.reset();  // it has no image of its own
  GODWIT_FAULT(kCloneRestored);
  moving_ = false;
  Rescheduled();
  tidying_ = true;
  static_cast<void>(gate_.Spawn(Tidy()));
  if (ending_) co_return;
  if (here && alive_) co_return;
  if (here) {
    ProcessEnded(exit_status_);
    co_return;
  }
  alive_ = false;
  NotCloned(here.error());
}

void Instance::BuildAhead() {
  moving_ = true;
  static_cast<void>(gate_.Spawn([](Instance* self) -> asio::awaitable<void> {
    const InstanceFacts& facts = self->beginning_.clone_of->facts;
    const Nanos clock_offset = ClockOffset(facts, self->workplace_);
    Result<> built = co_await self->BuildWalls(clock_offset);
    if (built && !self->ending_) {
      self->KeepTemplate(clock_offset);
      built = co_await self->BringCloneUp();
      if (!built) self->NotCloned(built.error());
    }
    self->built_ahead_ = built.has_value();
    self->moving_ = false;
    self->Rescheduled();
  }(this)));
}

void Instance::KeepTemplate(Nanos clock_offset) {
  kept_ = beginning_.clone_of->AsKept(id_, uid_, shared_function_);
  kept_->facts.clock_offset = clock_offset_ = clock_offset;
}

// Its template is dropped before another one is started of it.
void Instance::NotCloned(const Error& why) {
  const std::string reason = "could not be cloned: " + why.ToString();
  workplace_.bakery->Spoiled(*beginning_.clone_of, reason);
  Stop(reason, why);
}

asio::awaitable<Result<std::string>> Instance::AwaitRestore() {
  if (beginning_.clone_of) co_return id_.text;
  if (!beginning_.bakes || awaiting_)
    co_return godwit::Fail(Code::kConflict, "this instance was not started for a restore");
  awaiting_ = true;
  const ScopeExit leave([&] { awaiting_ = false; });
  while (state() == State::kStarting && moving_ && !ending_)
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
  asked_once_ = asks_for_restore_ = true;
  if (state() == State::kStarting) {
    reason_ = "initialised";
    GODWIT_CO_TRY(life_.Move(State::kReady, reason_));
    still_since_ = workplace_.clock.Steady();
    owner_.WantsCall(*this);
  }
  while (!ending_) {
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    if ((co_await asio::this_coro::cancellation_state).cancelled() !=
        asio::cancellation_type::none) {
      break;
    }
  }
  co_return godwit::Fail(Code::kClosing, "the instance ends");
}

Result<> Instance::RestoreFailed(std::string, std::string body) {
  if (!unborn_clone_of()) return godwit::Fail(Code::kConflict, "this instance was not restored");
  failed_start_ = FailedStart{"", "", std::move(body)};
  return {};
}

std::pair<KeptInstance, ImageShelf::Held> Instance::GiveImage() {
  std::pair image(*std::move(kept_), std::move(image_));
  kept_.reset();
  return image;
}

}  // namespace godwit::functions
