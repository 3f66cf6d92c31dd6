#include "base/bytes.h"

#include <gmock/gmock.h>

namespace godwit {
namespace {

using testing::Optional;

TEST(BytesTest, HexGoesThereAndBack) {
  EXPECT_EQ(ToHex(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_THAT(FromHex("00FF1a"), Optional(std::string("\x00\xff\x1a", 3)));
  EXPECT_EQ(FromHex("0"), std::nullopt);
  EXPECT_EQ(FromHex("zz"), std::nullopt);
}

TEST(BytesTest, Base64HasTheVectorsOfTheRfc) {
  EXPECT_EQ(ToBase64(""), "");
  EXPECT_EQ(ToBase64("f"), "Zg==");
  EXPECT_EQ(ToBase64("foobar"), "Zm9vYmFy");
  EXPECT_THAT(FromBase64("Zm9vYg=="), Optional(std::string("foob")));
  EXPECT_THAT(FromBase64(""), Optional(std::string()));
  EXPECT_EQ(FromBase64("Zm9vYg="), std::nullopt);
  EXPECT_EQ(FromBase64("Zm9v!g=="), std::nullopt);
}

TEST(BytesTest, Sha256HasTheVectorOfTheStandard) {
  EXPECT_EQ(ToHex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(BytesTest, PercentCodingRefusesHalfAnEscape) {
  EXPECT_THAT(PercentDecode("a%2Fb%3a"), Optional(std::string("a/b:")));
  EXPECT_EQ(PercentDecode("a%2"), std::nullopt);
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
  EXPECT_EQ(PercentEncode("a/b c~"), "a%2Fb%20c~");
}

}  // namespace
}  // namespace godwit
