#include "aws/runtime_route.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

TEST(RuntimeRouteTest, FindsEveryCall) {
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/runtime/invocation/next").call,
            RuntimeCall::kNext);
  EXPECT_EQ(FindRuntimeRoute("POST", "/2018-06-01/runtime/init/error").call,
            RuntimeCall::kInitError);
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/ping").call, RuntimeCall::kPing);
  EXPECT_EQ(FindRuntimeRoute("GET", "/ping").call, RuntimeCall::kPing);
  const auto response = FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/abc-1/response");
  EXPECT_EQ(response.call, RuntimeCall::kResponse);
  EXPECT_EQ(response.id, "abc-1");
  const auto error = FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/abc-1/error");
  EXPECT_EQ(error.call, RuntimeCall::kError);
  EXPECT_EQ(error.id, "abc-1");
}

TEST(RuntimeRouteTest, TellsAWrongMethodFromAnUnknownPath) {
  EXPECT_EQ(FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/next").call,
            RuntimeCall::kOtherMethod);
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/runtime/init/error").call,
            RuntimeCall::kOtherMethod);
  for (const char* path :
       {"", "/", "/2018-06-01", "/2018-06-01/runtime/restore/next",
        "/2020-01-01/extension/register", "/2018-06-01/runtime/invocation//response",
        "/2018-06-01/runtime/invocation/a/b/response", "/2018-06-01/runtime/invocation/response",
        "/2018-06-01/runtime/invocation/", "/runtime/invocation/next"}) {
    EXPECT_EQ(FindRuntimeRoute("GET", path).call, RuntimeCall::kUnknown) << path;
    EXPECT_EQ(FindRuntimeRoute("POST", path).call, RuntimeCall::kUnknown) << path;
  }
}

}  // namespace
}  // namespace godwit::aws
