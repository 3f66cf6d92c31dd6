#include "functions/wall_keeper.h"

#include <gmock/gmock.h>

#include <string>

namespace godwit::functions {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr SteadyTime At(Nanos time) { return {1h + time}; }

MATCHER_P(Named, name, "") { return arg.text == name; }

TEST(WallKeeperTest, WhoIsWantedLastLosesItsWallsFirst) {
  WallKeeper keeper(2);
  keeper.Stand({"soon"}, At(5s), At(0s));
  keeper.Stand({"later"}, At(50s), At(0s));
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), IsEmpty());
  keeper.Stand({"sooner"}, At(4s), At(0s));
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), ElementsAre(Named("later")));
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), IsEmpty());
  EXPECT_EQ(keeper.size(), 2u);
}

TEST(WallKeeperTest, WhoIsNotWantedForLongKeepsNone) {
  WallKeeper keeper(10);
  keeper.Stand({"tomorrow"}, At(24h), At(0s));
  keeper.Stand({"in nine minutes"}, At(9min), At(0s));
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), ElementsAre(Named("tomorrow")));
  EXPECT_EQ(keeper.size(), 1u);
}

TEST(WallKeeperTest, WhoIsFarOffIsOneOfThoseThatAreTooMany) {
  WallKeeper keeper(2);
  for (const int seconds : {60, 40, 700, 50})
    keeper.Stand({std::to_string(seconds)}, At(std::chrono::seconds(seconds)), At(0s));
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), ElementsAre(Named("700"), Named("60")));
}

TEST(WallKeeperTest, OfWhomNothingIsKnownItIsTheOneThatHasBeenAwayLongest) {
  WallKeeper keeper(2);
  keeper.Stand({"old"}, std::nullopt, At(0s));
  keeper.Stand({"due"}, At(90s), At(0s));
  keeper.Stand({"new"}, std::nullopt, At(60s));
  EXPECT_THAT(keeper.TakeSurplus(At(60s)), ElementsAre(Named("old")));
  EXPECT_THAT(keeper.TakeSurplus(At(12min)), ElementsAre(Named("new")));
}

TEST(WallKeeperTest, SinceWhenItIsAwayStaysWhenItIsSaidAgain) {
  WallKeeper keeper(10);
  keeper.Stand({"a"}, std::nullopt, At(0s));
  keeper.Stand({"a"}, std::nullopt, At(9min));
  EXPECT_THAT(keeper.TakeSurplus(At(10min)), IsEmpty());
  EXPECT_THAT(keeper.TakeSurplus(At(11min)), ElementsAre(Named("a")));
}

TEST(WallKeeperTest, WithoutRoomNobodyKeepsThem) {
  WallKeeper keeper(0);
  keeper.Stand({"a"}, At(1s), At(0s));
  keeper.Stand({"b"}, std::nullopt, At(0s));
  keeper.Stand({"c"}, At(2s), At(0s));
  keeper.Erase({"c"});
  EXPECT_THAT(keeper.TakeSurplus(At(0s)), UnorderedElementsAre(Named("a"), Named("b")));
}

}  // namespace
}  // namespace godwit::functions
