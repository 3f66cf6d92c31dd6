#include "functions/lifecycle.h"

#include <gmock/gmock.h>

#include <vector>

namespace godwit::functions {
namespace {

using enum State;
using testing::ElementsAre;

constexpr State kAll[] = {
#define X(name, text, meaning) name,
    GODWIT_STATES(X)
#undef X
};

TEST(LifecycleTest, ACallThatIsPutAwayAndBroughtBackIsObservedStepByStep) {
  const SystemClock clock;
  std::vector<State> seen;
  Lifecycle life({"i-0000000001"}, kStarting, clock, [&](const Transition& move) {
    EXPECT_FALSE(move.reason.empty());
    seen.push_back(move.to);
  });
  for (const State to : {kReady, kBusy, kBlocked, kSuspended, kResuming, kBusy, kReady, kSuspended,
                         kResuming, kReady, kStopped}) {
    ASSERT_TRUE(life.Move(to, "test").has_value()) << ToString(to);
  }
  EXPECT_THAT(seen, ElementsAre(kReady, kBusy, kBlocked, kSuspended, kResuming, kBusy, kReady,
                                kSuspended, kResuming, kReady, kStopped));
}

TEST(LifecycleTest, AMoveThatTheTableLacksChangesNothing) {
  const SystemClock clock;
  int moves = 0;
  Lifecycle life({"i-0000000001"}, kSuspended, clock, [&](const Transition&) { ++moves; });
  const auto moved = life.Move(kBusy, "test");
  EXPECT_EQ(moved.error().ToString(), "instance 'i-0000000001' cannot go from SUSPENDED to BUSY");
  EXPECT_EQ(life.state(), kSuspended);
  EXPECT_EQ(moves, 0);
}

TEST(LifecycleTest, NothingComesBackFromTheEnd) {
  for (const State from : {kStopped, kLost, kMoved}) {
    for (const State to : kAll) EXPECT_FALSE(MayMove(from, to));
  }
  for (const State from : kAll) {
    EXPECT_EQ(MayMove(from, kStopped), from != kStopped && from != kLost && from != kMoved);
    EXPECT_FALSE(MayMove(from, kStarting));
  }
}

}  // namespace
}  // namespace godwit::functions
