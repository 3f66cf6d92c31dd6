#include "cli/log_tail.h"

#include <gmock/gmock.h>

namespace godwit::cli {
namespace {

TEST(LogTailTest, FindsWhatIsNew) {
  EXPECT_EQ(NewText("", "a\n"), "a\n");
  EXPECT_EQ(NewText("a\n", "a\n"), "");
  EXPECT_EQ(NewText("a\n", "a\nb\n"), "b\n");
  EXPECT_EQ(NewText("one\ntwo\n", "two\nthree\n"), "three\n") << "old text fell off the beginning";
  EXPECT_EQ(NewText("x1\ny1\n", "x1\nx2\ny1\n"), "x2\n") << "an older instance has spoken";
  EXPECT_EQ(NewText("old\n", "new\n"), "new\n");
  EXPECT_EQ(NewText("a\n", ""), "");
}

}  // namespace
}  // namespace godwit::cli
