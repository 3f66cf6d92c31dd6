#include "docker/log_stream.h"

#include <gtest/gtest.h>

namespace godwit::docker {
namespace {

std::string Frame(char stream, const std::string& text) {
  std::string frame = {stream, 0, 0, 0, 0, 0};
  frame += static_cast<char>(text.size() >> 8);
  frame += static_cast<char>(text.size());
  return frame + text;
}

TEST(LogStreamTest, PutsBothStreamsTogetherHoweverTheyCome) {
  const std::string long_text(1000, 'x');
  const std::string all =
      Frame(1, "out\n") + Frame(2, "err\n") + Frame(1, "") + Frame(1, long_text);
  for (const size_t step : {1UL, 3UL, 8UL, 100UL, all.size()}) {
    LogStream stream;
    std::string text;
    for (size_t at = 0; at < all.size(); at += step)
      text += stream.Feed(all.substr(at, step)).value();
    EXPECT_EQ(text, "out\nerr\n" + long_text) << step;
  }
}

TEST(LogStreamTest, RefusesWhatIsNoFrame) {
  EXPECT_EQ(LogStream().Feed("plain text").error().code(), Code::kCorrupt);
  EXPECT_FALSE(LogStream().Feed(std::string(8, '\xff')));
}

}  // namespace
}  // namespace godwit::docker
