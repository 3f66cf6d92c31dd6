#include "aws/lambda_name.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

LambdaResult<FunctionRef> Parse(std::string_view text, std::string_view qualifier = "") {
  return ParseFunctionRef(text, qualifier, {"us-east-1", "000000000000"});
}

TEST(LambdaNameTest, EveryFormMeansTheFunction) {
  for (const std::string_view text :
       {"greeter", "function:greeter", "000000000000:greeter", "000000000000:function:greeter",
        "arn:aws:lambda:us-east-1:000000000000:function:greeter"}) {
    const auto ref = Parse(text);
    ASSERT_TRUE(ref) << text;
    EXPECT_EQ(ref->Arn(), "arn:aws:lambda:us-east-1:000000000000:function:greeter") << text;
    EXPECT_TRUE(ref->MeansLatest());
  }
}

TEST(LambdaNameTest, AnyRegionAndAccountComesBack) {
  const auto ref = Parse("arn:aws-cn:lambda:cn-north-1:123456789012:function:a_B-9:$LATEST");
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref->name, "a_B-9");
  EXPECT_EQ(ref->QualifiedArn(),
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:a_B-9:$LATEST");
  EXPECT_EQ(Parse("123456789012:function:f")->account, "123456789012");
}

TEST(LambdaNameTest, QualifiersComeFromBothPlacesAndMustAgree) {
  EXPECT_EQ(Parse("f:prod")->qualifier, "prod");
  EXPECT_EQ(Parse("f", "7")->qualifier, "7");
  EXPECT_EQ(Parse("f:prod", "prod")->qualifier, "prod");
  EXPECT_FALSE(Parse("f:prod")->MeansLatest());
  const auto apart = Parse("f:prod", "test");
  ASSERT_FALSE(apart);
  EXPECT_EQ(apart.error().code, LambdaCode::kInvalidParameterValue);
  EXPECT_FALSE(Parse("f", "no spaces"));
  EXPECT_FALSE(Parse("f", std::string(129, 'q')));
}

TEST(LambdaNameTest, WhatIsNoNameIsTheExceptionThatLambdaThrows) {
  for (const std::string_view text :
       {"", " ", "no such", "a/b", "f:", ":f", "f:x:y", "a:b:c:d:e:f:g:h:i:j",
        "arn:aws:s3:::bucket", "arn:aws:lambda:us-east-1:12:function:f",
        "arn:aws:lambda::000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:layer:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f:g:h", "../../etc/passwd", "f\n",
        "gr\xc3\xbc\xc3\x9f"}) {
    const auto ref = Parse(text);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().code, LambdaCode::kValidation);
    EXPECT_THAT(
        ref.error().message,
        StartsWith(
            "1 validation error detected: Value '" + std::string(text) +
            "' at 'functionName' failed to satisfy constraint: Member must satisfy regular"));
  }
}

TEST(LambdaNameTest, LengthsAreLimited) {
  EXPECT_TRUE(Parse(std::string(64, 'f')));
  const auto longer = Parse(std::string(65, 'f'));
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().message,
              HasSubstr("Member must have length less than or equal to 64"));
  EXPECT_FALSE(Parse(std::string(100000, 'f')));
}

}  // namespace
}  // namespace godwit::aws
