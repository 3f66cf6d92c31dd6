#include "functions/lifecycle.h"

#include <utility>

namespace godwit::functions {

std::string_view ToString(State state) {
  switch (state) {
#define X(name, text, meaning) \
  case State::name:            \
    return text;
    GODWIT_STATES(X)
#undef X
  }
  return "UNKNOWN";
}

State StateOf(Tier tier) {
  if (tier == Tier::kFrozen) return State::kFrozen;
  return tier == Tier::kSpilled ? State::kSpilled : State::kSuspended;
}

bool MayMove(State from, State to) {
  using enum State;
  if (to == kStopped || to == kLost) return from != kStopped && from != kLost && from != kMoved;
  switch (from) {
    case kStarting:
      return to == kReady;
    case kReady:
      return to == kBusy || to == kFrozen || to == kSpilled || to == kSuspended;
    case kBusy:
      return to == kReady || to == kBlocked || to == kFrozen || to == kSpilled || to == kSuspended;
    case kBlocked:
      return to == kBusy || to == kReady || to == kFrozen || to == kSpilled || to == kSuspended;
    case kSpilled:  // first it is brought back to where it was
      return to == kReady || to == kBusy || to == kBlocked;
    case kFrozen:  // the same; kResuming: a container
      return to == kReady || to == kBusy || to == kBlocked || to == kResuming;
    case kSuspended:
      return to == kResuming || to == kMoved;
    case kResuming:  // kSuspended, kFrozen: it could not be brought back, and is still good
      return to == kReady || to == kBusy || to == kSuspended || to == kFrozen;
    case kStopped:
    case kLost:
    case kMoved:
      return false;
  }
  return false;
}

Lifecycle::Lifecycle(InstanceId instance, State state, const Clock& clock, Observer observer)
    : instance_(std::move(instance)),
      state_(state),
      clock_(clock),
      since_(clock.Wall()),
      observer_(std::move(observer)) {}

Result<> Lifecycle::Move(State to, std::string reason) {
  if (!MayMove(state_, to)) {
    return Fail(Code::kInternal, "instance '{}' cannot go from {} to {}", instance_.text,
                ToString(state_), ToString(to));
  }
  const State from = std::exchange(state_, to);
  since_ = clock_.Wall();
  observer_({instance_, from, to, since_, std::move(reason)});
  return {};
}

}  // namespace godwit::functions
