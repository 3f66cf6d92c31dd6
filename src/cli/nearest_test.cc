#include "cli/nearest.h"

#include <gmock/gmock.h>

namespace godwit::cli {
namespace {

const std::vector<std::string> kVerbs = {"deploy", "list",    "rm",     "invoke", "result", "ps",
                                         "logs",   "suspend", "resume", "doctor", "version"};

TEST(NearestTest, TheDistanceCountsSwapsAsOne) {
  EXPECT_EQ(EditDistance("invoke", "invoke"), 0u);
  EXPECT_EQ(EditDistance("invkoe", "invoke"), 1u);
  EXPECT_EQ(EditDistance("", "ps"), 2u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(NearestTest, ATypoFindsItsWordAndAStrangerFindsNone) {
  EXPECT_EQ(Nearest("invkoe", kVerbs), "invoke");
  EXPECT_EQ(Nearest("susspend", kVerbs), "suspend");
  EXPECT_EQ(Nearest("pss", kVerbs), "ps");
  EXPECT_EQ(Nearest("dep", kVerbs), "deploy") << "a beginning is as good as a typo";
  EXPECT_EQ(Nearest("banana", kVerbs), std::nullopt);
  EXPECT_EQ(Nearest("x", kVerbs), std::nullopt);
}

TEST(NearestTest, TheHintIsReadyToBeAppended) {
  EXPECT_EQ(DidYouMean("lsit", kVerbs, " (see --help)"), " (did you mean 'list'?)");
  EXPECT_EQ(DidYouMean("frobnicate", kVerbs, " (see --help)"), " (see --help)");
}

}  // namespace
}  // namespace godwit::cli
