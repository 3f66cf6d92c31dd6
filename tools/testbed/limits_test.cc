#include "testbed/limits.h"

#include <gmock/gmock.h>

namespace godwit::testbed {
namespace {

using ::testing::HasSubstr;

TEST(LimitsTest, EachSettingHasItsUnits) {
  Limits limits;
  for (const auto* setting :
       {"rate=2.5gbit", "delay=250us", "jitter=1ms", "loss=1.5%", "queue=64K", "seed=42"}) {
    ASSERT_TRUE(Apply(setting, limits)) << setting;
  }
  EXPECT_EQ(limits.rate, 2'500'000'000u);
  EXPECT_EQ(limits.delay, std::chrono::microseconds(250));
  EXPECT_EQ(limits.jitter, std::chrono::milliseconds(1));
  EXPECT_DOUBLE_EQ(limits.loss, 0.015);
  EXPECT_EQ(limits.queue, 65536u);
  EXPECT_EQ(limits.seed, 42u);
}

TEST(LimitsTest, NothingNeedsNoUnit) {
  Limits limits{.rate = 1, .delay = Nanos(1)};
  ASSERT_TRUE(Apply("rate=0", limits));
  ASSERT_TRUE(Apply("delay=0", limits));
  EXPECT_EQ(limits.rate, 0u);
  EXPECT_EQ(limits.delay, Nanos(0));
}

TEST(LimitsTest, WhatItCannotReadIsNamedAndChangesNothing) {
  for (const auto* setting : {"rate", "rate=", "rate=fast", "rate=-1", "rate=1gbyte", "rate=inf",
                              "delay=5", "delay=1e300s", "loss=1.1", "loss=101%", "queue=1G",
                              "seed=-1", "seed=1x", "colour=red", ""}) {
    Limits limits;
    const Result<> done = Apply(setting, limits);
    ASSERT_FALSE(done) << setting;
    EXPECT_EQ(done.error().code(), Code::kInvalid);
    EXPECT_THAT(done.error().ToString(), HasSubstr(fmt::format("cannot set '{}'", setting)));
    EXPECT_EQ(limits.rate, 0u);
    EXPECT_EQ(limits.loss, 0);
  }
}

}  // namespace
}  // namespace godwit::testbed
