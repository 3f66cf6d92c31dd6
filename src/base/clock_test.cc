#include "base/clock.h"

#include <gmock/gmock.h>

namespace godwit {
namespace {

TEST(ClockTest, WritesTimeAsLambdaDoes) {
  EXPECT_EQ(FormatIso(WallTime{std::chrono::milliseconds(1'763'774'340'007)}),
            "2025-11-22T01:19:00.007+0000");
  EXPECT_EQ(FormatRfc3339(WallTime{std::chrono::milliseconds(1'763'774'340'007)}),
            "2025-11-22T01:19:00.007Z");
}

TEST(ClockTest, TheSteadyClockNeverGoesBack) {
  const SystemClock clock;
  const SteadyTime before = clock.Steady();
  EXPECT_LE(before, clock.Steady());
}

}  // namespace
}  // namespace godwit
