#include "cli/human.h"

#include <gmock/gmock.h>

namespace godwit::cli {
namespace {

using namespace std::chrono_literals;

TEST(HumanTest, SizesHaveThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.00 kB");
  EXPECT_EQ(HumanBytes(13'700'000), "13.7 MB");
  EXPECT_EQ(HumanBytes(999'700), "1.00 MB") << "rounds up into the next unit";
  EXPECT_EQ(HumanBytes(1'024'000'000), "1.02 GB");
  EXPECT_EQ(HumanBytes(UINT64_MAX), "18446744 TB");
}

TEST(HumanTest, SpansHaveTwoUnitsAtMost) {
  EXPECT_EQ(HumanSpan(412us), "412 us");
  EXPECT_EQ(HumanSpan(41'300us), "41.3 ms");
  EXPECT_EQ(HumanSpan(1520ms), "1.52 s");
  EXPECT_EQ(HumanSpan(185s), "3 min 5 s");
  EXPECT_EQ(HumanSpan(120s), "2 min");
  EXPECT_EQ(HumanSpan(2h + 7min + 3s), "2 h 7 min");
  EXPECT_EQ(HumanSpan(76h), "3 d 4 h");
  EXPECT_EQ(HumanSpan(-5s), "-5.00 s");
}

TEST(HumanTest, MomentsAreSeenFromNow) {
  const WallTime now{1'000'000s};
  EXPECT_EQ(HumanMoment(now + 18s, now), "in 18 s");
  EXPECT_EQ(HumanMoment(now - 123s, now), "2 min 3 s ago");
  EXPECT_EQ(HumanMoment(now + 300ms, now), "now");
}

TEST(HumanTest, SpansAreReadAndWrittenBack) {
  for (const auto& [text, span] : std::vector<std::pair<std::string, Nanos>>{{"500ms", 500ms},
                                                                             {"1s", 1s},
                                                                             {"10m", 10min},
                                                                             {"24h", 24h},
                                                                             {"7d", 7 * 24h},
                                                                             {"15us", 15us}}) {
    EXPECT_EQ(*ParseSpan(text), span) << text;
    EXPECT_EQ(FormatSpan(span), text);
  }
  EXPECT_EQ(*ParseSpan("1.5s"), 1500ms);
  EXPECT_EQ(*ParseSpan("0"), 0ns);
  EXPECT_EQ(FormatSpan(0ns), "0s");
  for (const auto* text :
       {"", "s", "1", "-1s", "1 s", "1y", "inf", "nans", "99999999999d", "1e3s"}) {
    const auto span = ParseSpan(text);
    ASSERT_FALSE(span.has_value()) << text;
    EXPECT_EQ(span.error().code(), Code::kInvalid);
    EXPECT_THAT(span.error().ToString(),
                testing::HasSubstr("is not a length of time (write 500ms"));
  }
}

TEST(HumanTest, IsoTimesOfBothForms) {
  const WallTime expected{1'795'310'340'123ms};
  EXPECT_EQ(ParseIso("2026-11-22T01:19:00.123Z"), expected);
  EXPECT_EQ(ParseIso("2026-11-22T01:19:00.123+0000"), expected);
  EXPECT_EQ(ParseIso("2026-11-22T01:19:00+00:00"), expected - 123ms);
  EXPECT_EQ(ParseIso(FormatIso(expected)), expected);
  EXPECT_EQ(ParseIso("2026-11-22T01:19:00+0100"), std::nullopt);
  EXPECT_EQ(ParseIso("yesterday"), std::nullopt);
}

}  // namespace
}  // namespace godwit::cli
