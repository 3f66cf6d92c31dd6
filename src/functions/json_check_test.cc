#include "functions/json_check.h"

#include <gmock/gmock.h>

namespace godwit::functions {
namespace {

TEST(JsonCheckTest, TakesWhatIsJson) {
  for (const std::string_view text :
       {"{}", "[]", "null", "true", "1", "-0.5e-3", "\"\"", " {\"a\": [1, {\"b\": null}]}\n",
        "\"\\ud83d\\ude00 \\n\"", "\"gr\xc3\xbc\xc3\x9f\"", "123456789012345678901234567890",
        "1e400"}) {
    EXPECT_TRUE(CheckJson(text)) << text;
  }
}

TEST(JsonCheckTest, RefusesWhatIsNot) {
  for (const std::string_view text :
       {"",           " ",       "{",           "}",        "{]",
        "nul",        "NaN",     "Infinity",    "'a'",      "{a:1}",
        "{\"a\":1,}", "[1,]",    "01",          "+1",       "1 2",
        "\"\n\"",     "\"\\x\"", "\"\\ud800\"", "\"\xff\"", "\xef\xbb\xbf{}",
        "// c\n1",    "not json"}) {
    EXPECT_FALSE(CheckJson(text)) << text;
  }
  EXPECT_FALSE(CheckJson(std::string_view("{}\0", 3)));
}

TEST(JsonCheckTest, DepthIsLimited) {
  EXPECT_TRUE(CheckJson(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
  EXPECT_FALSE(
      CheckJson(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')));
  EXPECT_FALSE(CheckJson(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(CheckJson(objects));
}

TEST(JsonCheckTest, TellsWhere) {
  const auto checked = CheckJson("{\"a\":oops}");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), Code::kInvalid);
  EXPECT_THAT(checked.error().reason(), testing::HasSubstr("at byte 5"));
}

}  // namespace
}  // namespace godwit::functions
