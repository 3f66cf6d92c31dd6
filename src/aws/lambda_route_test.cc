#include "aws/lambda_route.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

TEST(LambdaRouteTest, FindsWhatClientsSendWithAndWithoutATrailingSlash) {
  for (const std::string slash : {"", "/"}) {
    EXPECT_EQ(FindRoute("GET", "/2015-03-31/functions" + slash)->operation,
              Operation::kListFunctions);
    EXPECT_EQ(FindRoute("POST", "/2015-03-31/functions" + slash)->operation,
              Operation::kCreateFunction);
    EXPECT_EQ(FindRoute("DELETE", "/2015-03-31/functions/f" + slash)->operation,
              Operation::kDeleteFunction);
    EXPECT_EQ(FindRoute("PUT", "/2015-03-31/functions/f/code" + slash)->operation,
              Operation::kUpdateFunctionCode);
    EXPECT_EQ(FindRoute("POST", "/2014-11-13/functions/f/invoke-async" + slash)->operation,
              Operation::kInvokeAsync);
    EXPECT_EQ(FindRoute("POST", "/2015-03-31/functions/f/invocations" + slash)->operation,
              Operation::kInvoke);
  }
}

TEST(LambdaRouteTest, TheNameIsLeftEncoded) {
  const auto route = FindRoute("POST", "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->function, "arn%3Aaws%3Alambda");
  EXPECT_EQ(FindRoute("GET", "/2017-03-31/tags/arn:aws:lambda:r:1:function:f")->function,
            "arn:aws:lambda:r:1:function:f");
}

TEST(LambdaRouteTest, KnowsTheNamesOfWhatIsNotServed) {
  const auto route = FindRoute("GET", "/2015-03-31/functions/f/aliases/prod");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->operation, Operation::kNotServed);
  EXPECT_EQ(route->name, "GetAlias");
  EXPECT_EQ(FindRoute("POST", "/2021-11-15/functions/f/response-streaming-invocations")->name,
            "InvokeWithResponseStream");
}

TEST(LambdaRouteTest, WhatIsNoOperationIsNone) {
  EXPECT_FALSE(FindRoute("PATCH", "/2015-03-31/functions"));
  EXPECT_FALSE(FindRoute("GET", "/2015-03-31/functions//configuration"));
  EXPECT_FALSE(FindRoute("GET", "/2015-03-31/functions/f/g/h"));
  EXPECT_FALSE(FindRoute("GET", "/2015-03-31/"));
  EXPECT_FALSE(FindRoute("POST", "/2014-11-13/functions/f/invocations")) << "another version";
  EXPECT_FALSE(FindRoute("GET", "/2015-03-31x/functions"));
  EXPECT_FALSE(FindRoute("GET", ""));
}

TEST(LambdaRouteTest, OnlyLambdasVersionsAreTaken) {
  EXPECT_TRUE(IsLambdaPath("/2015-03-31/functions"));
  EXPECT_TRUE(IsLambdaPath("/2025-12-01/durable-executions/x"));
  EXPECT_FALSE(IsLambdaPath("/1999-01-01/functions"));
  EXPECT_FALSE(IsLambdaPath("/godwit/v1/functions"));
  EXPECT_FALSE(IsLambdaPath("/2015-03-31"));
  EXPECT_FALSE(IsLambdaPath(""));
}

TEST(LambdaRouteTest, CodeMayBeLargeAndNothingElse) {
  EXPECT_GT(LambdaBodyLimit("POST", "/2015-03-31/functions"), 70'000'000u);
  EXPECT_GT(LambdaBodyLimit("POST", "/2015-03-31/functions/f/invocations"), 6'291'456u);
  EXPECT_LE(LambdaBodyLimit("PUT", "/2015-03-31/functions/f/configuration"), 1u << 20);
  EXPECT_LE(LambdaBodyLimit("POST", "/elsewhere"), 1u << 20);
}

}  // namespace
}  // namespace godwit::aws
