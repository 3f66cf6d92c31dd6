#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "aws/lambda_api.h"
#include "base/bytes.h"
#include "functions/fake_platform.h"

namespace godwit::aws {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class LambdaInvokeTest : public testing::Test {
 protected:
  LambdaInvokeTest() { platform_.Add("greeter"); }

  http::Response Invoke(std::string body, std::vector<http::Header> headers = {},
                        std::string path = "/2015-03-31/functions/greeter/invocations") {
    http::Request request;
    request.method = "POST";
    request.path = std::move(path);
    request.headers = std::move(headers);
    request.body = std::move(body);
    return functions::RunToEnd(api_.Handle(std::move(request)));
  }

  functions::FakePlatform platform_;
  SystemEntropy entropy_;
  LambdaApi api_{platform_, {}, entropy_, Log("test", LogLevel::kOff)};
};

TEST_F(LambdaInvokeTest, TheAnswerIsTheFunctions) {
  const auto response = Invoke(R"({"name":"edge"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"name":"edge"})");
  EXPECT_EQ(response.Get("X-Amz-Executed-Version"), "$LATEST");
  EXPECT_EQ(response.Get("x-amzn-RequestId"), functions::FakePlatform::kRequestId);
  EXPECT_THAT(response.Get("X-Amz-Function-Error"), IsEmpty());
  EXPECT_THAT(response.Get("X-Amz-Log-Result"), IsEmpty());
}

TEST_F(LambdaInvokeTest, NoPayloadIsAnEmptyObject) {
  Invoke("");
  EXPECT_EQ(platform_.calls.at(0).payload, "{}");
}

TEST_F(LambdaInvokeTest, AFunctionsFailureIsStatus200) {
  platform_.answers = [](const auto&) {
    functions::Outcome outcome;
    outcome.payload = R"({"errorMessage":"no","errorType":"ValueError"})";
    outcome.function_error = "Unhandled";
    return outcome;
  };
  const auto response = Invoke("{}");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Get("X-Amz-Function-Error"), "Unhandled");
  EXPECT_THAT(response.body, HasSubstr("ValueError"));
}

TEST_F(LambdaInvokeTest, TheLogsTailIsBase64AndShort) {
  platform_.answers = [](const auto&) {
    functions::Outcome outcome;
    outcome.log_tail = std::string(5000, 'x') + "END\n";
    return outcome;
  };
  const auto tail = FromBase64(Invoke("{}", {{"X-Amz-Log-Type", "Tail"}}).Get("X-Amz-Log-Result"));
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->size(), 4096u);
  EXPECT_THAT(*tail, testing::EndsWith("END\n"));
}

TEST_F(LambdaInvokeTest, EventsAreAccepted) {
  const auto response = Invoke(R"({"a":1})", {{"X-Amz-Invocation-Type", "Event"}});
  EXPECT_EQ(response.status, 202);
  EXPECT_THAT(response.body, IsEmpty());
  EXPECT_EQ(response.Get("x-amzn-RequestId"), functions::FakePlatform::kRequestId);
  const auto old = Invoke("{}", {}, "/2014-11-13/functions/greeter/invoke-async/");
  EXPECT_EQ(old.status, 202);
  EXPECT_EQ(old.body, R"({"Status":202})");
  EXPECT_EQ(platform_.calls.size(), 2u);
}

TEST_F(LambdaInvokeTest, ADryRunRunsNothing) {
  EXPECT_EQ(Invoke("{}", {{"X-Amz-Invocation-Type", "DryRun"}}).status, 204);
  EXPECT_EQ(Invoke("{}", {{"X-Amz-Invocation-Type", "DryRun"}},
                   "/2015-03-31/functions/nobody/invocations")
                .status,
            404);
  EXPECT_THAT(platform_.calls, IsEmpty());
}

TEST_F(LambdaInvokeTest, ContextAndTraceGoAlong) {
  Invoke("{}", {{"X-Amz-Client-Context", ToBase64(R"({"custom":{"k":1}})")},
                {"X-Amzn-Trace-Id", "Root=1-2"}});
  EXPECT_EQ(platform_.calls.at(0).client_context, R"({"custom":{"k":1}})");
  EXPECT_EQ(platform_.calls.at(0).trace_id, "Root=1-2");
  for (const std::string& bad : {std::string("not base64!"), ToBase64("not json")}) {
    const auto response = Invoke("{}", {{"X-Amz-Client-Context", bad}});
    EXPECT_EQ(response.status, 400);
    EXPECT_THAT(response.body,
                HasSubstr("Client context must be a valid Base64-encoded JSON object."));
  }
}

TEST_F(LambdaInvokeTest, WhatIsNotJsonIsRefused) {
  const auto response = Invoke("not json");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.Get("x-amzn-ErrorType"), "InvalidRequestContentException");
  EXPECT_THAT(std::string(boost::json::parse(response.body).at("message").as_string()),
              StartsWith("Could not parse request body into json: "));
  EXPECT_THAT(platform_.calls, IsEmpty());
}

TEST_F(LambdaInvokeTest, WhatIsTooLargeIsRefused) {
  const auto sync = Invoke('"' + std::string(functions::kMaxSyncPayload, 'x') + '"');
  EXPECT_EQ(sync.status, 413);
  EXPECT_EQ(sync.Get("x-amzn-ErrorType"), "RequestTooLargeException");
  EXPECT_THAT(
      sync.body,
      HasSubstr("Request must be smaller than 6291456 bytes for the InvokeFunction operation"));
  const std::string event = '"' + std::string(functions::kMaxEventPayload, 'x') + '"';
  EXPECT_EQ(Invoke(event, {{"X-Amz-Invocation-Type", "Event"}}).status, 413);
  EXPECT_EQ(Invoke(event).status, 200);
}

TEST_F(LambdaInvokeTest, UnknownKindsAreNamed) {
  const auto response =
      Invoke("{}", {{"X-Amz-Invocation-Type", "Later"}, {"X-Amz-Log-Type", "Head"}});
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body,
              HasSubstr("2 validation errors detected: Value 'Later' at 'invocationType'"));
}

TEST_F(LambdaInvokeTest, TooManyCallsSayWhichLimit) {
  platform_.refuses = Error(Code::kBusy, "too many");
  const auto node = Invoke("{}");
  EXPECT_EQ(node.status, 429);
  EXPECT_EQ(boost::json::parse(node.body).at("Reason"), "ConcurrentInvocationLimitExceeded");
  platform_.functions["greeter"].spec.max_instances = 1;
  EXPECT_EQ(boost::json::parse(Invoke("{}").body).at("Reason"),
            "ReservedFunctionConcurrentInvocationLimitExceeded");
}

TEST_F(LambdaInvokeTest, OtherVersionsAreNotThere) {
  const auto response = Invoke("{}", {}, "/2015-03-31/functions/greeter:prod/invocations");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(Invoke("{}", {}, "/2015-03-31/functions/nobody/invocations").status, 404);
}

}  // namespace
}  // namespace godwit::aws
