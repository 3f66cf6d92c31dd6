#include "storage/content.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace godwit::storage {
namespace {

RC_GTEST_PROP(ContentTest, IsTheSameAsItsPiecesJoined, (std::vector<std::string> pieces)) {
  std::string whole;
  for (const auto& piece : pieces) whole += piece;
  const std::vector<std::string_view> views(pieces.begin(), pieces.end());
  const Content content(views);
  RC_ASSERT(content.size() == whole.size());
  const auto at = *rc::gen::inRange<size_t>(0, whole.size() + 1);
  const auto length = *rc::gen::inRange<size_t>(0, whole.size() - at + 1);
  std::string scratch = "left from before";
  RC_ASSERT(content.At(at, length, scratch) == std::string_view(whole).substr(at, length));
}

TEST(ContentTest, CopiesOnlyWhatSpansPieces) {
  const std::string first = "one piece";
  const std::string second = "another";
  const std::string_view views[] = {first, "", second};
  const Content content(views);
  std::string scratch;
  EXPECT_EQ(content.At(4, 5, scratch).data(), first.data() + 4);
  EXPECT_EQ(content.At(9, 7, scratch).data(), second.data());
  EXPECT_EQ(content.At(8, 2, scratch), "ea");
  EXPECT_EQ(Content({}).size(), 0u);
}

}  // namespace
}  // namespace godwit::storage
