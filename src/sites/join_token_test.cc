#include "sites/join_token.h"

#include <gmock/gmock.h>

#include "base/bytes.h"

namespace godwit::sites {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The worked example of docs/formats/site.md.
const JoinToken kToken{std::string(62, 'a') + "01", "0123456789abcdef", 1'800'000'000};
constexpr std::string_view kText =
    "godwit1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01"
    "30313233343536373839616263646566006b49d2009d101ff1";

TEST(JoinTokenTest, IsTextAndComesBack) {
  const std::string text = kToken.ToString();
  EXPECT_EQ(text, kText);
  const auto parsed = JoinToken::Parse(text).value();
  EXPECT_EQ(parsed.authority, kToken.authority);
  EXPECT_EQ(parsed.secret, kToken.secret);
  EXPECT_EQ(parsed.ends, kToken.ends);
  EXPECT_EQ(parsed.Hash(), kToken.Hash());
}

TEST(JoinTokenTest, WhatIsMistypedIsNotWhole) {
  const std::string text = kToken.ToString();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == '5' ? '6' : '5';
    EXPECT_FALSE(JoinToken::Parse(other)) << i;
  }
  for (const std::string& other : {std::string(), text.substr(1), text + "0", text + "00",
                                   text.substr(0, text.size() - 2), std::string("godwit1-")}) {
    const auto parsed = JoinToken::Parse(other);
    EXPECT_EQ(parsed.error().code(), Code::kInvalid);
    EXPECT_THAT(parsed.error().ToString(), Not(HasSubstr("3031323334")));
  }
  EXPECT_EQ(JoinToken::Parse("godwit2-00").error().code(), Code::kUnsupported);
}

TEST(JoinTokenTest, TheHashIsOfTheSecretAndItsEnd) {
  JoinToken other = kToken;
  other.ends += 1;
  EXPECT_NE(other.Hash(), kToken.Hash());
  other = kToken;
  other.secret[0] = 'x';
  EXPECT_NE(other.Hash(), kToken.Hash());
}

TEST(JoinTokenTest, TwoAreNeverTheSame) {
  SystemEntropy entropy;
  EXPECT_NE(JoinToken::Make(kToken.authority, entropy, {}).ToString(),
            JoinToken::Make(kToken.authority, entropy, {}).ToString());
}

}  // namespace
}  // namespace godwit::sites
