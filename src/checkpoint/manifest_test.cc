#include "checkpoint/manifest.h"

#include <gmock/gmock.h>

#include "base/bytes.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;
using testing::HasSubstr;

Code CodeOf(const std::vector<ImageEntry>& entries) {
  const auto parsed = ParseManifest(FormatManifest({entries, "{}"}));
  return parsed ? Code::kInternal : parsed.error().code();
}

TEST(ManifestTest, GoesThereAndBack) {
  const Manifest manifest{
      {{.kind = Kind::kCriu, .name = "core-100.img", .bytes = 1234},
       {.kind = Kind::kDirectory, .name = "cache", .mode = 01777, .seconds = 1'763'774'340},
       {.kind = Kind::kFile, .name = "caf\xe9 \"\n", .mode = 06755, .nanoseconds = 5, .bytes = 5},
       {.kind = Kind::kSparse,
        .name = "disk",
        .mode = 0644,
        .seconds = -1,
        .nanoseconds = 999'999'999,
        .bytes = uint64_t{1} << 40,
        .extents = {{4096, 4096}, {16'384, 1}}},
       {.kind = Kind::kUp},
       {.kind = Kind::kLink, .name = "latest", .target = "/\xff"},
       {.kind = Kind::kFifo, .name = "fifo", .mode = 0600},
       {.kind = Kind::kAgain, .name = "second", .first = 2}},
      R"({"instance":"i-0000000001"})"};
  const std::string bytes = FormatManifest(manifest);
  EXPECT_EQ(*ManifestBytes(bytes.substr(0, kManifestHead)), bytes.size());
  const auto again = ParseManifest(bytes);
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(again->entries, manifest.entries);
  EXPECT_EQ(again->facts, manifest.facts);
  EXPECT_EQ(manifest.entries[3].Stored(), 4097U);
  for (size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(ParseManifest(std::string_view(bytes).substr(0, cut)).has_value()) << cut;
}

// The bytes of docs/formats/image.md.
TEST(ManifestTest, TheWorkedExampleHolds) {
  const Manifest manifest{{{.kind = Kind::kFile,
                            .name = "a",
                            .mode = 0644,
                            .seconds = 1,
                            .nanoseconds = 2,
                            .bytes = 2}},
                          "{}"};
  EXPECT_EQ(ToHex(FormatManifest(manifest)),
            "676f6477696d6167"
            "03000000"
            "02000000"
            "1a00000000000000"
            "7b7d"
            "02"
            "010061"
            "a401"
            "0100000000000000"
            "02000000"
            "0200000000000000");
}

TEST(ManifestTest, NamesThatLeadElsewhereAreRefused) {
  using std::string_literals::operator""s;
  for (const std::string& name :
       {""s, "/etc/passwd"s, ".."s, "."s, "a/b"s, "a\0b"s, std::string(256, 'n')}) {
    EXPECT_EQ(CodeOf({{.kind = Kind::kFile, .name = name}}), Code::kCorrupt) << name;
    EXPECT_EQ(CodeOf({{.kind = Kind::kCriu, .name = name}}), Code::kCorrupt) << name;
  }
}

TEST(ManifestTest, WhatCannotBeIsRefused) {
  const ImageEntry file{.kind = Kind::kFile, .name = "a"};
  const ImageEntry folder{.kind = Kind::kDirectory, .name = "d"};
  const ImageEntry up{.kind = Kind::kUp};
  EXPECT_EQ(CodeOf({folder, file, up}), Code::kInternal) << "this is as it should be";
  EXPECT_EQ(CodeOf({up}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({folder}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({file, {.kind = Kind::kCriu, .name = "x.img"}}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({file, {.kind = Kind::kAgain, .name = "b", .first = 1}}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({folder, up, {.kind = Kind::kAgain, .name = "b"}}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({{.kind = Kind::kLink, .name = "l"}}), Code::kCorrupt) << "no target";
  EXPECT_EQ(CodeOf({{.kind = Kind::kFile, .name = "a", .mode = 010000}}), Code::kCorrupt);
  EXPECT_EQ(CodeOf({{.kind = Kind::kFile, .name = "a", .nanoseconds = 1'000'000'000}}),
            Code::kCorrupt);
  EXPECT_EQ(CodeOf({{.kind = Kind::kFile, .name = "a", .bytes = uint64_t{1} << 63}}),
            Code::kCorrupt);
  constexpr uint64_t kHalf = uint64_t{1} << 62;
  EXPECT_EQ(CodeOf({{.kind = Kind::kFile, .name = "a", .bytes = kHalf},
                    {.kind = Kind::kFile, .name = "b", .bytes = kHalf}}),
            Code::kCorrupt);
  for (const std::vector<Extent>& extents : std::initializer_list<std::vector<Extent>>{
           {{0, 101}}, {{50, 10}, {40, 5}}, {{0, 10}, {9, 5}}, {{0, 0}}, {{~uint64_t{0}, 2}}}) {
    EXPECT_EQ(CodeOf({{.kind = Kind::kSparse, .name = "s", .bytes = 100, .extents = extents}}),
              Code::kCorrupt);
  }
}

// An image of five pages: two of its own, two of a base, one of zeros.
std::vector<ImageEntry> Sharing() {
  return {{.kind = Kind::kBase, .name = std::string(64, 'b'), .bytes = 300, .pages = 7},
          {.kind = Kind::kCriu, .name = "core-100.img", .bytes = 4},
          {.kind = Kind::kPages,
           .name = "pages-1.img",
           .bytes = 5 * kPage,
           .pages = 2,
           .runs = {{0, 0, 1}, {1, 5, 2}, {255, 0, 1}, {0, 1, 1}}},
          {.kind = Kind::kSums, .bytes = 2 * kSumBytes},
          {.kind = Kind::kFile, .name = "a", .bytes = 1}};
}

// The other bytes of docs/formats/image.md.
TEST(ManifestTest, TheWorkedExampleOfPagesHolds) {
  std::vector<ImageEntry> entries = Sharing();
  entries.erase(entries.begin() + 1);
  entries.pop_back();
  EXPECT_EQ(ToHex(FormatManifest({entries, "{}"})),
            "676f6477696d6167"
            "03000000"
            "02000000"
            "9c00000000000000"
            "7b7d"
            "0a"
            "4000" +
                ToHex(std::string(64, 'b')) +
                "2c01000000000000"
                "07000000"
                "09"
                "0b00"
                "70616765732d312e696d67"
                "0050000000000000"
                "02000000"
                "04000000"
                "000000000001000000"
                "010500000002000000"
                "ff0000000001000000"
                "000100000001000000"
                "0b"
                "0000"
                "2000000000000000");
}

TEST(ManifestTest, PagesGoThereAndBack) {
  const std::vector<ImageEntry> entries = Sharing();
  const std::string bytes = FormatManifest({entries, "{}"});
  const auto again = ParseManifest(bytes);
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(again->entries, entries);
  EXPECT_EQ(entries[2].Stored(), 2 * kPage);
  EXPECT_EQ(entries[0].Stored(), 0U);
  for (size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(ParseManifest(std::string_view(bytes).substr(0, cut)).has_value()) << cut;
}

TEST(ManifestTest, PagesThatLeadNowhereAreRefused) {
  const auto with = [](auto change) {
    std::vector<ImageEntry> entries = Sharing();
    change(entries);
    return CodeOf(entries);
  };
  EXPECT_EQ(with([](auto&) {}), Code::kInternal) << "this is as it should be";
  EXPECT_EQ(with([](auto& all) { all[2].runs[1] = {1, 6, 2}; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[2].runs[1] = {1, UINT32_MAX, 2}; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[2].runs[1].owner = 2; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[2].runs[3].first = 2; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[2].runs[2].first = 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[2].runs[2].pages = 2; }), Code::kCorrupt) << "too long";
  EXPECT_EQ(with([](auto& all) { all[2].runs.pop_back(); }), Code::kCorrupt) << "too short";
  EXPECT_EQ(with([](auto& all) { all[2].bytes += 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[3].bytes += 1; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[0].name[0] = '/'; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all[0].name = "base"; }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { std::swap(all[0], all[1]); }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { std::swap(all[1], all[2]); }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { std::swap(all[3], all[4]); }), Code::kCorrupt);
  EXPECT_EQ(with([](auto& all) { all.insert(all.begin() + 3, all[3]); }), Code::kCorrupt);
}

TEST(ManifestTest, WhatWasWrittenBeforeThereWereBasesIsRead) {
  const std::vector<ImageEntry> old = {{.kind = Kind::kCriu, .name = "pages-1.img", .bytes = 8}};
  const auto read = ParseManifest(FormatManifest({old, "{}", 2}));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->entries, old);
  EXPECT_EQ(read->version, 2U);
  EXPECT_FALSE(ParseManifest(FormatManifest({Sharing(), "{}", 2})).has_value());
}

TEST(ManifestTest, AnotherVersionSaysWhatToDo) {
  std::string bytes = FormatManifest({});
  bytes[8] = 7;
  EXPECT_EQ(ParseManifest(bytes).error().code(), Code::kUnsupported);
  EXPECT_THAT(ParseManifest(bytes).error().ToString(), HasSubstr("use a newer godwit"));
  EXPECT_EQ(ParseManifest("").error().code(), Code::kCorrupt);
  EXPECT_EQ(ParseManifest(R"({"godwit_image":1})").error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::checkpoint
