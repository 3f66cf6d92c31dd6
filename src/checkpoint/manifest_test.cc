#include "checkpoint/manifest.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;
using testing::HasSubstr;

TEST(ManifestTest, GoesThereAndBack) {
  const Manifest manifest{{{Kind::kCriu, "core-100.img", 1234, 0600, 0},
                           {Kind::kDirectory, "cache", 0, 01777, 1'763'774'340},
                           {Kind::kFile, "cache/\"quoted\"", 5, 0644, 1},
                           {Kind::kLink, "latest", 5, 0, 2}},
                          R"({"instance":"i-0000000001"})"};
  const auto again = ParseManifest(FormatManifest(manifest));
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(again->entries, manifest.entries);
  EXPECT_EQ(again->facts, manifest.facts);
}

// The bytes of docs/formats/image.md.
TEST(ManifestTest, TheWorkedExampleHolds) {
  const Manifest manifest{{{Kind::kFile, "a", 2, 0644, 1}}, "{}"};
  const std::string text = FormatManifest(manifest);
  EXPECT_EQ(text, R"({"godwit_image":1,"entries":[["file","a",2,420,1]],"facts":"{}"})");
  EXPECT_EQ(text.size(), 64U);
}

TEST(ManifestTest, PathsThatLeaveAreRefused) {
  for (const std::string path :
       {"", "/etc/passwd", "..", "../x", "a/../../b", "a//b", "a/.", "./a"}) {
    const auto parsed = ParseManifest(
        fmt::format(R"({{"godwit_image":1,"entries":[["file","{}",1,1,1]],"facts":""}})", path));
    ASSERT_FALSE(parsed.has_value()) << path;
    EXPECT_EQ(parsed.error().code(), Code::kCorrupt);
  }
  EXPECT_FALSE(
      ParseManifest(R"({"godwit_image":1,"entries":[["criu","a/b.img",1,1,1]],"facts":""})")
          .has_value());
  EXPECT_FALSE(ParseManifest(R"({"godwit_image":1,"entries":[["file","a",-1,1,1]],"facts":""})")
                   .has_value());
}

TEST(ManifestTest, ANewerVersionSaysWhatToDo) {
  const auto parsed = ParseManifest(R"({"godwit_image":7,"entries":[],"facts":""})");
  EXPECT_EQ(parsed.error().code(), Code::kUnsupported);
  EXPECT_THAT(parsed.error().ToString(), HasSubstr("use a newer godwit"));
  EXPECT_EQ(ParseManifest("[]").error().code(), Code::kCorrupt);
  EXPECT_EQ(ParseManifest("{").error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::checkpoint
