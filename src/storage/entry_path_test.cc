#include "storage/entry_path.h"

#include <gtest/gtest.h>

namespace godwit::storage {
namespace {

using namespace std::string_view_literals;

TEST(EntryPathTest, PlainNamesArePlain) {
  EXPECT_EQ(*CleanEntryPath("a", 100), "a");
  EXPECT_EQ(*CleanEntryPath("./a//b/./c/", 100), "a/b/c");
  EXPECT_EQ(*CleanEntryPath("..a/b..", 100), "..a/b..");
  EXPECT_EQ(*CleanEntryPath("./", 100), "");
}

TEST(EntryPathTest, RefusedNames) {
  for (const auto name : {""sv, "/a"sv, ".."sv, "a/../b"sv, "a/.."sv, "a\0b"sv, "0123456789x"sv}) {
    EXPECT_FALSE(CleanEntryPath(name, 10).has_value()) << name;
  }
}

TEST(EntryPathTest, LinksStayInside) {
  EXPECT_TRUE(CheckLinkTarget("a/b/link", "../../c").has_value());
  EXPECT_TRUE(CheckLinkTarget("link", "a/../b").has_value());
  EXPECT_TRUE(CheckLinkTarget("a/link", "..").has_value());
  EXPECT_FALSE(CheckLinkTarget("a/link", "../..").has_value());
  EXPECT_FALSE(CheckLinkTarget("link", "..").has_value());
  EXPECT_FALSE(CheckLinkTarget("link", "../code/a").has_value()) << "out and in again is out";
  EXPECT_FALSE(CheckLinkTarget("link", "/a").has_value());
  EXPECT_FALSE(CheckLinkTarget("link", "").has_value());
  EXPECT_FALSE(CheckLinkTarget("link", "a\0b"sv).has_value());
}

TEST(EntryPathTest, ShownNamesArePrintable) {
  EXPECT_EQ(ShownEntry("a b'c"), "a b'c");
  EXPECT_EQ(ShownEntry("a\n\x1b[31m\xfc"), "a\\x0a\\x1b[31m\\xfc");
  EXPECT_EQ(ShownEntry(std::string(200, 'x')), std::string(120, 'x') + "...");
}

}  // namespace
}  // namespace godwit::storage
