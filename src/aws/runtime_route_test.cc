#include "aws/runtime_route.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

TEST(RuntimeRouteTest, FindsEveryCall) {
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/runtime/invocation/next").call,
            RuntimeCall::kNext);
  EXPECT_EQ(FindRuntimeRoute("POST", "/2018-06-01/runtime/init/error").call,
            RuntimeCall::kInitError);
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/runtime/restore/next").call,
            RuntimeCall::kRestoreNext);
  EXPECT_EQ(FindRuntimeRoute("POST", "/2018-06-01/runtime/restore/error").call,
            RuntimeCall::kRestoreError);
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/ping").call, RuntimeCall::kPing);
  EXPECT_EQ(FindRuntimeRoute("GET", "/ping").call, RuntimeCall::kPing);
  const auto response = FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/abc-1/response");
  EXPECT_EQ(response.call, RuntimeCall::kResponse);
  EXPECT_EQ(response.id, "abc-1");
  const auto error = FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/abc-1/error");
  EXPECT_EQ(error.call, RuntimeCall::kError);
  EXPECT_EQ(error.id, "abc-1");
}

TEST(RuntimeRouteTest, FindsCallbacksByTheirNumber) {
  const std::string calls = "/godwit/v1/invocations/";
  const std::string path = calls + "abc-1/callbacks/0";
  const auto first = FindRuntimeRoute("GET", path);
  EXPECT_EQ(first.call, RuntimeCall::kCallback);
  EXPECT_EQ(first.id, "abc-1");
  EXPECT_EQ(first.number, 0u);
  EXPECT_EQ(FindRuntimeRoute("GET", calls + "a/callbacks/999999999").number, 999'999'999u);
  EXPECT_EQ(FindRuntimeRoute("POST", calls + "a/callbacks/0").call, RuntimeCall::kOtherMethod);
  for (const char* rest :
       {"", "/", "a", "a/", "a/callbacks", "a/callbacks/", "/callbacks/0", "a/callbacks/-1",
        "a/callbacks/00", "a/callbacks/01", "a/callbacks/1000000000", "a/callbacks/0x1",
        "a/callbacks/0/", "a/b/callbacks/0", "a/callback/0"}) {
    EXPECT_EQ(FindRuntimeRoute("GET", calls + rest).call, RuntimeCall::kUnknown) << rest;
  }
}

TEST(RuntimeRouteTest, TellsAWrongMethodFromAnUnknownPath) {
  EXPECT_EQ(FindRuntimeRoute("POST", "/2018-06-01/runtime/invocation/next").call,
            RuntimeCall::kOtherMethod);
  EXPECT_EQ(FindRuntimeRoute("GET", "/2018-06-01/runtime/init/error").call,
            RuntimeCall::kOtherMethod);
  for (const char* path :
       {"", "/", "/2018-06-01", "/2018-06-01/runtime/restore", "/2020-01-01/extension/register",
        "/2018-06-01/runtime/invocation//response", "/2018-06-01/runtime/invocation/a/b/response",
        "/2018-06-01/runtime/invocation/response", "/2018-06-01/runtime/invocation/",
        "/runtime/invocation/next"}) {
    EXPECT_EQ(FindRuntimeRoute("GET", path).call, RuntimeCall::kUnknown) << path;
    EXPECT_EQ(FindRuntimeRoute("POST", path).call, RuntimeCall::kUnknown) << path;
  }
}

}  // namespace
}  // namespace godwit::aws
