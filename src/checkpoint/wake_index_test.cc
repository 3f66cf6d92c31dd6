#include "checkpoint/wake_index.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

namespace godwit::checkpoint {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

InstanceId Name(int n) { return {fmt::format("i-{:010x}", n)}; }
SteadyTime At(Nanos time) { return SteadyTime{time}; }

TEST(WakeIndexTest, ALoneSleeperIsBroughtBackByItsCostAhead) {
  WakeIndex index;
  EXPECT_EQ(index.NextStart(2), std::nullopt);
  index.Set(Name(1), At(100s), 20ms);
  EXPECT_EQ(index.NextStart(2), At(100s - 20ms));
  EXPECT_EQ(index.Pop(), Name(1));
  EXPECT_EQ(index.Pop(), std::nullopt);
}

TEST(WakeIndexTest, ManyThatAreDueTogetherBeginEarlyEnoughForTheLast) {
  WakeIndex index;
  for (int i = 0; i < 200; ++i) index.Set(Name(i), At(100s), 20ms);
  EXPECT_EQ(index.NextStart(2), At(100s - 199 * 10ms - 20ms));
  index.Set(Name(500), At(200s), 20ms);
  EXPECT_EQ(index.NextStart(2), At(100s - 199 * 10ms - 20ms))
      << "what is due much later does not matter";
}

TEST(WakeIndexTest, ALaterCrowdPullsTheFirstForward) {
  WakeIndex index;
  index.Set(Name(0), At(10s), 20ms);
  for (int i = 1; i <= 100; ++i) index.Set(Name(i), At(10s + 500ms), 20ms);
  EXPECT_EQ(index.NextStart(1), At(10s + 500ms - 101 * 20ms));
  EXPECT_EQ(index.Pop(), Name(0)) << "the one that is due first still goes first";
}

TEST(WakeIndexTest, ALargeOneBeginsEarlierThanASmallOneThatIsDueBefore) {
  WakeIndex index;
  index.Set(Name(1), At(10s), 20ms);
  index.Set(Name(2), At(10s + 10ms), 500ms);
  EXPECT_EQ(index.NextStart(2), At(10s + 10ms - 10ms - 500ms));
}

TEST(WakeIndexTest, AMarginIsForThoseThatCostSomething) {
  WakeIndex index;
  index.Set(Name(1), At(10s), 0ms);
  EXPECT_EQ(index.NextStart(2, 1s), At(10s)) << "a second try, say, is not made too early";
  index.Set(Name(1), At(10s), 20ms);
  EXPECT_EQ(index.NextStart(2, 1s), At(9s - 20ms));
}

TEST(WakeIndexTest, ATimeIsReplacedAndTakenBack) {
  WakeIndex index;
  index.Set(Name(1), At(10s), 0ms);
  index.Set(Name(1), At(20s), 0ms);
  EXPECT_EQ(index.NextStart(1), At(20s));
  index.Erase(Name(1));
  EXPECT_EQ(index.size(), 0u);
}

}  // namespace
}  // namespace godwit::checkpoint
