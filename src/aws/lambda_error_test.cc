#include "aws/lambda_error.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

namespace godwit::aws {
namespace {

using testing::HasSubstr;

TEST(LambdaErrorTest, TheAnswerNamesTheErrorTwiceOver) {
  const http::Response response =
      ErrorResponse({LambdaCode::kResourceNotFound, "Function not found: x", {}});
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.Get("x-amzn-errortype"), "ResourceNotFoundException");
  EXPECT_EQ(response.Get("content-type"), "application/json");
  EXPECT_EQ(boost::json::parse(response.body),
            (boost::json::value{{"Type", "User"},
                                {"Message", "Function not found: x"},
                                {"message", "Function not found: x"}}));
}

TEST(LambdaErrorTest, ThrottlingSaysWhyAndHowLong) {
  const LambdaError error = Translate(Error(Code::kBusy, "50 calls wait"), "arn");
  const http::Response response = ErrorResponse(error);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.Get("x-amzn-ErrorType"), "TooManyRequestsException");
  EXPECT_EQ(response.Get("Retry-After"), "1");
  EXPECT_THAT(response.body, HasSubstr(R"("Reason":"ConcurrentInvocationLimitExceeded")"));
}

TEST(LambdaErrorTest, EveryCodeOfThePlatformHasItsLambdaError) {
#define X(name, text, http, exit)                                     \
  {                                                                   \
    const LambdaError error = Translate(Error(Code::name, "r"), "a"); \
    EXPECT_GE(HttpStatus(error.code), 400);                           \
    EXPECT_FALSE(error.message.empty());                              \
  }
  GODWIT_CODES(X)
#undef X
  EXPECT_EQ(Translate(Error(Code::kInvalid, "bad zip"), "a").code,
            LambdaCode::kInvalidParameterValue);
  EXPECT_EQ(Translate(Error(Code::kInvalid, "bad zip"), "a").message, "bad zip");
  EXPECT_EQ(Translate(Error(Code::kNotFound, "none"), "arn:f").message,
            "Function not found: arn:f");
  EXPECT_EQ(
      Translate(Error(Code::kNotFound, "Function not found: arn:f (deleted)"), "arn:f").message,
      "Function not found: arn:f (deleted)");
}

TEST(LambdaErrorTest, AHostileNameDoesNotBreakTheJson) {
  const http::Response response =
      ErrorResponse({LambdaCode::kValidation, "Value '\xff\x01\"'", {}});
  EXPECT_EQ(boost::json::parse(response.body).at("message"), "Value '??\"'");
}

}  // namespace
}  // namespace godwit::aws
