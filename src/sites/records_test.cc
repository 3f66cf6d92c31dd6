#include "sites/records.h"

#include <gmock/gmock.h>

#include "base/bytes.h"

namespace godwit::sites {
namespace {

using testing::HasSubstr;

constexpr std::string_view kKey = "/godwit/5f0c/instances/i-3f9a0c51b2";
// The example of docs/formats/registry.md.
constexpr std::string_view kExample =
    R"({"version":1,"id":"i-3f9a0c51b2","owner":"b","epoch":2,"function":"greeter",)"
    R"("revision":"r1","call":"","home":"","sequence":7,"replicas":["a","c"]})";

TEST(RecordsTest, TheExampleOfItsPageIsReadAndWrittenTheSame) {
  const auto instance = ReadInstance(kKey, kExample);
  ASSERT_TRUE(instance) << instance.error().ToString();
  EXPECT_EQ(instance->epoch, 2);
  EXPECT_EQ(ToJson(*instance), kExample);
}

TEST(RecordsTest, EachRecordComesBackAsItWent) {
  const Member member{"a", "h:1", "print", "0.1.0", WallTime{Nanos(5)}};
  EXPECT_EQ(ReadMember("/members/a", ToJson(member)).value(), member);
  const Token token{"00ff", "a", 7};
  EXPECT_EQ(ReadToken("/tokens/00ff", ToJson(token)).value(), token);
  const Living living{"a", "run \"1\""};
  EXPECT_EQ(ReadLiving("/alive/a", ToJson(living)).value(), living);
  const SharedFunction function{"f_1", "r", "{\"x\":\"\u00e9\"}"};
  EXPECT_EQ(ReadFunction("/functions/f_1", ToJson(function)).value(), function);
}

TEST(RecordsTest, ANewerVersionIsRefusedWithTheWayOut) {
  const auto read = ReadInstance(kKey, R"({"version":2,"other":true})");
  EXPECT_EQ(read.error().code(), Code::kUnsupported);
  EXPECT_THAT(read.error().reason(), HasSubstr("upgrade this node"));
}

TEST(RecordsTest, EveryFieldMustBeThereAndOfItsKind) {
  const auto corrupt = [](std::string text, std::string_view from, std::string_view to) {
    text.replace(text.find(from), from.size(), to);
    const auto read = ReadInstance(kKey, text);
    return !read && read.error().code() == Code::kCorrupt;
  };
  const std::string text(kExample);
  EXPECT_TRUE(corrupt(text, "\"version\":1,", ""));
  EXPECT_TRUE(corrupt(text, "\"version\":1", "\"version\":0"));
  EXPECT_TRUE(corrupt(text, "i-3f9a0c51b2", "i-3f9a0c51b3"));
  EXPECT_TRUE(corrupt(text, "\"b\"", "\"B\""));
  EXPECT_TRUE(corrupt(text, ":2,", ":0,"));
  EXPECT_TRUE(corrupt(text, ":2,", ":\"2\","));
  EXPECT_TRUE(corrupt(text, ":7,", ":-1,"));
  EXPECT_TRUE(corrupt(text, "[\"a\",\"c\"]", "[\"a\",7]"));
  EXPECT_TRUE(corrupt(text, "[\"a\",\"c\"]", "[\"../a\"]"));
  EXPECT_TRUE(corrupt(text, "\"call\":\"\",", ""));
  EXPECT_TRUE(corrupt(text, "}", ""));
}

TEST(RecordsTest, ANodesNameIsSafeInAKeyAPathAndAHost) {
  EXPECT_TRUE(IsNodeName("node-1"));
  EXPECT_TRUE(IsNodeName(std::string(63, 'a')));
  for (const char* name : {"", "-a", "a-", "A", "a/b", "a.b", "a b", ".."}) {
    EXPECT_FALSE(IsNodeName(name)) << name;
  }
  EXPECT_FALSE(IsNodeName(std::string(64, 'a')));
}

}  // namespace
}  // namespace godwit::sites
