#include "aws/runtime_message.h"

#include <gmock/gmock.h>

namespace godwit::aws {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

functions::RuntimeCalls::Next NextOf(const functions::Invocation& invocation) {
  functions::RuntimeCalls::Next next;
  next.invocation = &invocation;
  next.function_arn = "arn:f";
  next.deadline.since_epoch = std::chrono::milliseconds(1700000000123);
  return next;
}

TEST(RuntimeMessageTest, AnEventHasLambdasHeaders) {
  functions::Invocation invocation;
  invocation.id.text = "id-1";
  invocation.payload = R"({"a":1})";
  invocation.attempt = 2;
  const auto response = RuntimeEvent(NextOf(invocation));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"a":1})");
  EXPECT_EQ(response.Get("content-type"), "application/json");
  EXPECT_EQ(response.Get("lambda-runtime-aws-request-id"), "id-1");
  EXPECT_EQ(response.Get("lambda-runtime-deadline-ms"), "1700000000123");
  EXPECT_EQ(response.Get("lambda-runtime-invoked-function-arn"), "arn:f");
  EXPECT_EQ(response.Get("godwit-attempt"), "2");
  for (const auto& header : response.headers) EXPECT_FALSE(header.value.empty()) << header.name;
  EXPECT_THAT(response.Get("lambda-runtime-trace-id"), IsEmpty());
  EXPECT_THAT(response.Get("lambda-runtime-client-context"), IsEmpty());
}

TEST(RuntimeMessageTest, AClientContextStaysOneHeader) {
  functions::Invocation invocation;
  invocation.client_context = "{\r\n\"custom\": 1\n}";
  invocation.trace_id = "Root=1-2";
  const auto response = RuntimeEvent(NextOf(invocation));
  EXPECT_EQ(response.Get("lambda-runtime-client-context"), "{  \"custom\": 1 }");
  EXPECT_EQ(response.Get("lambda-runtime-trace-id"), "Root=1-2");
}

TEST(RuntimeMessageTest, VerdictsAreLambdas) {
  EXPECT_EQ(RuntimeVerdict({}).status, 202);
  EXPECT_EQ(RuntimeVerdict({}).body, "{\"status\":\"OK\"}\n");
  const auto unknown = RuntimeVerdict(Fail(Code::kNotFound, "x"));
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.body,
            R"({"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"})");
  EXPECT_EQ(RuntimeVerdict(Fail(Code::kConflict, "x")).status, 403);
  EXPECT_THAT(RuntimeVerdict(Fail(Code::kConflict, "x")).body, HasSubstr("InvalidStateTransition"));
  EXPECT_THAT(RuntimeVerdict(Fail(Code::kTooLarge, "x")).body,
              HasSubstr("Exceeded maximum allowed payload size (6291556 bytes)."));
  EXPECT_EQ(RuntimeVerdict(Fail(Code::kInternal, "x")).status, 500);
}

}  // namespace
}  // namespace godwit::aws
