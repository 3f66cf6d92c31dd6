#include "testbed/path.h"

#include <gmock/gmock.h>

#include <string>

namespace godwit::testbed {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr SteadyTime kStart{std::chrono::seconds(1000)};

// A frame that takes `bytes` on the wire.
std::string Frame(size_t bytes) { return std::string(kHeader + bytes - kAround, '\0'); }

TEST(PathTest, DrawsAreThoseOfSplitmix64) {
  // The first outputs for seed 1234567 are in the generator's reference.
  Draws draws(1234567);
  EXPECT_DOUBLE_EQ(draws.Next(), static_cast<double>(6457827717110365317u >> 11) * 0x1p-53);
  EXPECT_DOUBLE_EQ(draws.Next(), static_cast<double>(3203168211198807973u >> 11) * 0x1p-53);
}

TEST(PathTest, AFrameComesAfterRateAndDelay) {
  Path path({.rate = 1'000'000'000, .delay = milliseconds(1)});
  path.Offer(kStart, Frame(1250));  // 10 us at this rate
  path.Offer(kStart, Frame(1250));
  EXPECT_EQ(path.NextDue(), kStart + microseconds(1010));
  EXPECT_FALSE(path.Take(kStart + microseconds(1009)));
  ASSERT_TRUE(path.Take(kStart + microseconds(1010)));
  EXPECT_EQ(path.NextDue(), kStart + microseconds(1020));
}

TEST(PathTest, WithoutLimitsItComesAtOnce) {
  Path path;
  path.Offer(kStart, Frame(100));
  const auto frame = path.Take(kStart);
  ASSERT_TRUE(frame);
  path.Delivered(*frame, kStart + microseconds(3));
  EXPECT_EQ(path.counts().delivered, 1u);
  EXPECT_EQ(path.counts().delivered_bytes, 100u);
  EXPECT_EQ(path.counts().latest, microseconds(3));
  EXPECT_EQ(path.counts().late, 0u);
  path.Offer(kStart, Frame(100));
  path.Delivered(path.Take(kStart).value(), kStart + microseconds(101));
  EXPECT_EQ(path.counts().late, 1u);
  EXPECT_FALSE(path.NextDue());
}

TEST(PathTest, JitterNeverLetsAFrameOvertake) {
  Path path({.delay = milliseconds(1), .jitter = milliseconds(2)});
  for (int i = 0; i < 1000; ++i) path.Offer(kStart + microseconds(i), Frame(100));
  SteadyTime last = kStart;
  for (int i = 0; i < 1000; ++i) {
    const auto frame = path.Take(kStart + milliseconds(10));
    ASSERT_TRUE(frame);
    EXPECT_GE(frame->due, last);
    EXPECT_GE(frame->due, kStart + microseconds(i)) << "before it was sent";
    EXPECT_LE(frame->due, kStart + microseconds(i) + milliseconds(3));
    last = frame->due;
  }
}

TEST(PathTest, WhatFindsNoRoomOverflows) {
  Path path({.rate = 8000, .queue = 2000});  // a byte a millisecond
  for (int i = 0; i < 10; ++i) path.Offer(kStart, Frame(1000));
  // One leaves, two wait, and one more stood in line when there was just room.
  EXPECT_EQ(path.counts().overflowed, 7u);
  EXPECT_EQ(path.held(), 3u);
  path.Offer(kStart + std::chrono::seconds(3), Frame(1000));
  EXPECT_EQ(path.counts().overflowed, 7u);
}

TEST(PathTest, LossIsWhatTheDrawsSay) {
  const Limits limits{.loss = 0.1, .seed = 99};
  Path path(limits);
  Draws draws(99);
  uint64_t lost = 0;
  for (int i = 0; i < 10000; ++i) {
    path.Offer(kStart, Frame(100));
    lost += draws.Next() < 0.1 ? 1 : 0;
  }
  EXPECT_EQ(path.counts().lost, lost);
  EXPECT_EQ(path.held(), 10000 - lost);
  path.Set(limits);  // begins anew
  const uint64_t before = path.counts().lost;
  for (int i = 0; i < 10000; ++i) path.Offer(kStart, Frame(100));
  EXPECT_EQ(path.counts().lost, before + lost);
}

TEST(PathTest, ACutTakesWhatIsOnItsWay) {
  Path path({.delay = milliseconds(1)});
  path.Offer(kStart, Frame(100));
  path.Cut();
  path.Offer(kStart, Frame(100));
  EXPECT_EQ(path.counts().cut, 2u);
  EXPECT_EQ(path.held(), 0u);
  EXPECT_FALSE(path.NextDue());
  path.Heal();
  path.Offer(kStart, Frame(100));
  EXPECT_TRUE(path.NextDue());
  EXPECT_EQ(path.counts().offered, 3u);
}

TEST(PathTest, MemoryIsBounded) {
  Path path({.delay = std::chrono::seconds(100)});
  const std::string frame(kHeader + 65000, '\0');
  for (int i = 0; i < 5000; ++i) path.Offer(kStart, frame);
  EXPECT_GT(path.counts().overflowed, 0u);
  EXPECT_EQ(path.counts().overflowed + path.held(), 5000u);
}

}  // namespace
}  // namespace godwit::testbed
