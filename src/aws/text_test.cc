#include "aws/text.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

TEST(TextTest, PrintableKeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(Printable("grüße 漢字 😀\n"), "grüße 漢字 😀\n");
  EXPECT_EQ(Printable("a\x01z\x7f"), "a?z?");
  EXPECT_EQ(Printable("\xff\xfe"), "??");
  EXPECT_EQ(Printable("\xc3"), "?") << "cut short";
  EXPECT_EQ(Printable("\xc0\xaf"), "??") << "overlong";
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???") << "a surrogate";
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "????") << "beyond Unicode";
}

TEST(TextTest, AHeaderValueCannotForgeAHeader) {
  EXPECT_EQ(HeaderValue("{\"a\":\r\n1}"), "{\"a\":  1}");
  EXPECT_EQ(HeaderValue(std::string_view("x\0y", 3)), "x y");
}

}  // namespace
}  // namespace godwit::aws
