#include "placement/governor.h"

#include <gmock/gmock.h>

namespace godwit::placement {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;

const SteadyTime kNow{1000s};
const Rules kRules{1s, 10s, 1s};

Candidate Waiting(Nanos still, std::optional<Nanos> left) {
  Candidate one;
  one.has_call = true;
  one.still_since = kNow - still;
  if (left) one.wakes = kNow + *left;
  one.memory = 20'000'000;
  one.may_spill = true;
  return one;
}

Candidate Idle(Nanos still) {
  Candidate one = Waiting(still, std::nullopt);
  one.has_call = false;
  return one;
}

Pressure High() { return {99'000'000, 100'000'000, 0, 0}; }

TEST(GovernorTest, ALongWaitGoesToDisk) {
  const Choice choice = Choose(Waiting(2s, 3600s), {}, kRules, kNow);
  EXPECT_EQ(choice.tier, Tier::kDisk);
  EXPECT_EQ(choice.why, "its call waits; it will be back in 60 min");
  EXPECT_EQ(Choose(Waiting(2s, std::nullopt), {}, kRules, kNow).tier, Tier::kDisk);
}

TEST(GovernorTest, WhoIsBackSoonerThanTheWayTakesStays) {
  Candidate one = Waiting(1s, 100ms);
  const Choice choice = Choose(one, {}, kRules, kNow);
  EXPECT_EQ(choice.tier, Tier::kAwake);
  EXPECT_EQ(choice.why, "it will be back in 100 ms, and the way to disk and back takes 120 ms");
  // A large one has learnt that its way is longer.
  one = Waiting(1s, 2s);
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kDisk);
  one.costs.suspend.Learn(1500ms);
  one.costs.resume.Learn(1s);
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kAwake);
}

TEST(GovernorTest, UnderPressureItIsSpilledInstead) {
  EXPECT_EQ(Choose(Waiting(1s, 100ms), High(), kRules, kNow).tier, Tier::kSpilled);
  EXPECT_EQ(Choose(Waiting(1s, 20ms), High(), kRules, kNow).tier, Tier::kAwake);
  const Pressure stalls{0, 0, 0, 25};
  EXPECT_EQ(Choose(Waiting(1s, 100ms), stalls, kRules, kNow).tier, Tier::kSpilled);
}

TEST(GovernorTest, WhoIsRefusedIsSpilled) {
  Candidate one = Waiting(1s, 3600s);
  one.refused = true;
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kSpilled);
  one.may_spill = false;
  EXPECT_EQ(Choose(one, High(), kRules, kNow).tier, Tier::kAwake);
  EXPECT_THAT(Choose(one, High(), kRules, kNow).why, HasSubstr("cannot be put away"));
}

TEST(GovernorTest, TheIdleAreFrozenAndThenGoToDisk) {
  EXPECT_EQ(Choose(Idle(500ms), {}, kRules, kNow).tier, Tier::kAwake);
  EXPECT_EQ(Choose(Idle(2s), {}, kRules, kNow).tier, Tier::kFrozen);
  EXPECT_EQ(Choose(Idle(11s), {}, kRules, kNow).tier, Tier::kDisk);
  EXPECT_EQ(Choose(Idle(2s), High(), kRules, kNow).tier, Tier::kDisk);
}

TEST(GovernorTest, ACallThatIsLikelyToComeIsWaitedFor) {
  Candidate one = Idle(11s);
  one.learnt = true;
  one.wakes = kNow + 50ms;
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kFrozen);
  EXPECT_EQ(Choose(one, High(), kRules, kNow).tier, Tier::kSpilled);
  one.wakes = kNow - 1s;  // it has not come
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kDisk);
}

TEST(GovernorTest, NobodyIsBroughtNearer) {
  Candidate one = Waiting(1s, 50ms);
  one.tier = Tier::kSpilled;
  EXPECT_EQ(Choose(one, {}, kRules, kNow).tier, Tier::kSpilled);
}

TEST(GovernorTest, TheIdleFirstThenTheLongestWaits) {
  const std::vector<Candidate> all = {Waiting(9s, 10s), Idle(2s), Waiting(1s, std::nullopt),
                                      Idle(5s), Waiting(1s, 900s)};
  EXPECT_THAT(WhomFirst(all, kNow), ElementsAre(3, 1, 2, 4, 0));
}

TEST(GovernorTest, RoomIsMadeBeforeItIsUsedUp) {
  EXPECT_FALSE((Pressure{89'000'000, 100'000'000, 0, 0}).is_high());
  EXPECT_TRUE((Pressure{89'000'000, 100'000'000, 20'000'000, 0}).is_high());
  EXPECT_EQ((Pressure{99'000'000, 100'000'000, 0, 0}).excess(), 19'000'000U);
  EXPECT_FALSE((Pressure{1ULL << 40, 0, 0, 0}).is_high());
}

TEST(GovernorTest, AStartWaitsForRoomButNotForEver) {
  EXPECT_TRUE(MayStart({50, 100, 0, 0}, 50, true));
  EXPECT_FALSE(MayStart({60, 100, 0, 0}, 50, true));
  EXPECT_TRUE(MayStart({0, 100, 0, 0}, 500, false));  // it would never be small enough
  EXPECT_TRUE(MayStart({60, 0, 0, 0}, 50, true));
}

TEST(GovernorTest, ItSaysWhatItKnewAndWhichRuleDecided) {
  const Facts facts = Explain(Waiting(2s, 3600s), High(), kRules, kNow);
  EXPECT_THAT(facts, testing::Contains(testing::Pair("memory budget", "100.0 MB")));
  EXPECT_THAT(facts, testing::Contains(testing::Pair("belongs", "disk")));
  EXPECT_EQ(facts.back().first, "why");
}

}  // namespace
}  // namespace godwit::placement
