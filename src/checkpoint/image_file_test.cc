#include "checkpoint/image_file.h"

#include <gmock/gmock.h>

namespace godwit::checkpoint {
namespace {

TEST(ImageFileTest, GoesThereAndBack) {
  const std::string bytes = FormatImageFile({0x55053847, {"one", "", "three"}});
  const auto file = ParseImageFile("core-100.img", bytes);
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->magic, 0x55053847u);
  EXPECT_THAT(file->entries, testing::ElementsAre("one", "", "three"));
}

TEST(ImageFileTest, EveryTruncationIsRefusedOrLosesWholeEntries) {
  const std::string bytes = FormatImageFile({1, {"one", "two"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto file = ParseImageFile("x", std::string_view(bytes).substr(0, size));
    if (size == 8 || size == 15) {
      EXPECT_TRUE(file.has_value()) << size;
    } else {
      ASSERT_FALSE(file.has_value()) << size;
      EXPECT_EQ(file.error().code(), Code::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace godwit::checkpoint
