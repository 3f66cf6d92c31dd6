#include "aws/lambda_api.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "functions/fake_platform.h"

namespace godwit::aws {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LambdaApiTest : public testing::Test {
 protected:
  http::Response Send(std::string method, std::string path, std::string body = "",
                      std::vector<http::Header> headers = {}) {
    http::Request request;
    request.method = std::move(method);
    request.target = path;
    request.path = path.substr(0, path.find('?'));
    if (path.contains('?')) request.query = path.substr(path.find('?') + 1);
    request.headers = std::move(headers);
    request.headers.emplace_back("Host", host_);
    request.body = std::move(body);
    EXPECT_TRUE(LambdaApi::Serves(request)) << path;
    return functions::RunToEnd(api_.Handle(std::move(request)));
  }
  static json::value Json(const http::Response& response) { return json::parse(response.body); }

  std::string host_ = "127.0.0.1:9000";
  functions::FakePlatform platform_;
  SystemEntropy entropy_;
  LambdaApi api_{platform_, {"us-east-1", "000000000000"}, entropy_, Log("test", LogLevel::kOff)};
};

constexpr const char* kCreate =
    R"({"FunctionName":"greeter","Runtime":"python3.11","Role":"arn:aws:iam::000000000000:role/r",)"
    R"("Code":{"ZipFile":"emlw"},"Handler":"app.handler","Environment":{"Variables":{"KEY":"v"}}})";

TEST_F(LambdaApiTest, CreateAnswersWithTheConfiguration) {
  const auto response = Send("POST", "/2015-03-31/functions", kCreate);
  ASSERT_EQ(response.status, 201) << response.body;
  const json::value out = Json(response);
  EXPECT_EQ(out.at("FunctionName"), "greeter");
  EXPECT_EQ(out.at("FunctionArn"), "arn:aws:lambda:us-east-1:000000000000:function:greeter");
  EXPECT_EQ(out.at("CodeSize"), 3);
  EXPECT_EQ(out.at("Timeout"), 3);
  EXPECT_EQ(out.at("MemorySize"), 128);
  EXPECT_EQ(out.at("State"), "Active");
  EXPECT_EQ(out.at("LastUpdateStatus"), "Successful");
  EXPECT_EQ(out.at("PackageType"), "Zip");
  EXPECT_EQ(out.at("Version"), "$LATEST");
  EXPECT_EQ(out.at("Environment").at("Variables").at("KEY"), "v");
  EXPECT_THAT(response.Get("x-amzn-RequestId"), Not(IsEmpty()));
  const auto again = Send("POST", "/2015-03-31/functions/", kCreate);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.Get("x-amzn-ErrorType"), "ResourceConflictException");
  EXPECT_EQ(Json(again).at("message"), "Function already exist: greeter");
}

TEST_F(LambdaApiTest, CreateByArnKeepsItsRegion) {
  std::string body = kCreate;
  body.replace(body.find("\"greeter\""), 9,
               R"("arn:aws:lambda:eu-west-1:123456789012:function:greeter")");
  const auto response = Send("POST", "/2015-03-31/functions", body);
  ASSERT_EQ(response.status, 201);
  EXPECT_EQ(Json(response).at("FunctionArn"),
            "arn:aws:lambda:eu-west-1:123456789012:function:greeter");
  EXPECT_TRUE(platform_.functions.contains("greeter"));
}

TEST_F(LambdaApiTest, ThePlatformsRefusalIsTheUsers) {
  platform_.refuses = Error(Code::kInvalid, "cannot unpack the zip: it is broken");
  const auto response = Send("POST", "/2015-03-31/functions", kCreate);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.Get("x-amzn-ErrorType"), "InvalidParameterValueException");
  EXPECT_EQ(Json(response).at("message"), "cannot unpack the zip: it is broken");
}

TEST_F(LambdaApiTest, GetTellsWhereTheCodeIs) {
  auto& function = platform_.Add("greeter");
  function.spec.tags = {{"team", "x"}};
  function.spec.max_instances = 2;
  const auto response = Send("GET", "/2015-03-31/functions/greeter");
  ASSERT_EQ(response.status, 200);
  const json::value out = Json(response);
  EXPECT_EQ(out.at("Code").at("Location"),
            "http://127.0.0.1:9000/godwit/v1/functions/greeter/code");
  EXPECT_EQ(out.at("Code").at("RepositoryType"), "S3");
  EXPECT_EQ(out.at("Tags").at("team"), "x");
  EXPECT_EQ(out.at("Concurrency").at("ReservedConcurrentExecutions"), 2);
  EXPECT_EQ(out.at("Configuration").at("FunctionName"), "greeter");
  EXPECT_FALSE(out.at("Configuration").as_object().contains("Environment"));
}

TEST_F(LambdaApiTest, AHostThatIsNoTextDoesNotBreakTheAnswer) {
  platform_.Add("greeter");
  host_ = "h\xd0.example";
  EXPECT_EQ(Json(Send("GET", "/2015-03-31/functions/greeter")).at("Code").at("Location"),
            "http://h?.example/godwit/v1/functions/greeter/code");
}

TEST_F(LambdaApiTest, NamesComeInEveryForm) {
  platform_.Add("greeter");
  for (const std::string name :
       {"greeter", "greeter:$LATEST", "greeter%3A%24LATEST", "000000000000:function:greeter",
        "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Agreeter"}) {
    EXPECT_EQ(Send("GET", "/2015-03-31/functions/" + name + "/configuration").status, 200) << name;
  }
  const auto qualified =
      Send("GET", "/2015-03-31/functions/greeter/configuration?Qualifier=%24LATEST");
  EXPECT_EQ(Json(qualified).at("FunctionArn"),
            "arn:aws:lambda:us-east-1:000000000000:function:greeter:$LATEST");
}

TEST_F(LambdaApiTest, WhatIsNotThereIsNotFound) {
  platform_.Add("greeter");
  for (const std::string path :
       {"/2015-03-31/functions/nobody", "/2015-03-31/functions/nobody/configuration",
        "/2019-09-30/functions/nobody/concurrency"}) {
    const auto response = Send("GET", path);
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.Get("x-amzn-ErrorType"), "ResourceNotFoundException");
    EXPECT_EQ(Json(response).at("Message"),
              "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody");
  }
  EXPECT_EQ(Json(Send("GET", "/2015-03-31/functions/greeter?Qualifier=prod")).at("Message"),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:greeter:prod");
}

TEST_F(LambdaApiTest, BadNamesAreValidationErrors) {
  for (const std::string name : {"no%20such", "a%2Fb", "f%", "%ff", "arn:aws:s3:::b"}) {
    const auto response = Send("GET", "/2015-03-31/functions/" + name);
    EXPECT_EQ(response.status, 400) << name;
    EXPECT_EQ(response.Get("x-amzn-ErrorType"), "ValidationException") << name;
    EXPECT_NO_THROW(Json(response));
  }
}

TEST_F(LambdaApiTest, DeleteIsGoneAndStaysGone) {
  platform_.Add("greeter");
  EXPECT_EQ(Send("DELETE", "/2015-03-31/functions/greeter?Qualifier=%24LATEST").status, 400);
  const auto deleted = Send("DELETE", "/2015-03-31/functions/greeter");
  EXPECT_EQ(deleted.status, 204);
  EXPECT_THAT(deleted.body, IsEmpty());
  EXPECT_EQ(Send("DELETE", "/2015-03-31/functions/greeter").status, 404);
}

TEST_F(LambdaApiTest, ListsInPages) {
  for (int i = 0; i < 120; ++i) platform_.Add(fmt::format("f{:03}", i));
  std::string marker;
  std::vector<size_t> pages;
  std::string names;
  do {
    const json::value out = Json(Send("GET", "/2015-03-31/functions/?MaxItems=70" + marker));
    pages.push_back(out.at("Functions").as_array().size());
    for (const auto& function : out.at("Functions").as_array())
      names += function.at("FunctionName").as_string();
    const auto* next = out.as_object().if_contains("NextMarker");
    marker = next == nullptr ? "" : "&Marker=" + std::string(next->as_string());
  } while (!marker.empty());
  EXPECT_THAT(pages, testing::ElementsAre(50, 50, 20));
  EXPECT_EQ(names.size(), 120u * 4);
  EXPECT_EQ(Json(Send("GET", "/2015-03-31/functions?MaxItems=3")).at("NextMarker"), "f002");
  EXPECT_EQ(Send("GET", "/2015-03-31/functions?MaxItems=0").status, 400);
  EXPECT_EQ(Send("GET", "/2015-03-31/functions?MaxItems=x").status, 400);
  EXPECT_EQ(Json(Send("GET", "/2015-03-31/functions?Marker=zzz")).at("Functions").as_array().size(),
            0u);
}

TEST_F(LambdaApiTest, Updates) {
  platform_.Add("greeter");
  const auto configured = Send("PUT", "/2015-03-31/functions/greeter/configuration",
                               R"({"Timeout":30,"MemorySize":512})");
  ASSERT_EQ(configured.status, 200) << configured.body;
  EXPECT_EQ(Json(configured).at("Timeout"), 30);
  EXPECT_EQ(Json(configured).at("MemorySize"), 512);
  const auto stale =
      Send("PUT", "/2015-03-31/functions/greeter/configuration", R"({"RevisionId":"old"})");
  EXPECT_EQ(stale.status, 412);
  EXPECT_EQ(stale.Get("x-amzn-ErrorType"), "PreconditionFailedException");
  const auto code =
      Send("PUT", "/2015-03-31/functions/greeter/code", R"({"ZipFile":"emlwemlw","DryRun":true})");
  ASSERT_EQ(code.status, 200);
  EXPECT_EQ(Json(code).at("CodeSize"), 6);
  EXPECT_EQ(platform_.deployed->zip, "zipzip");
  EXPECT_TRUE(platform_.deployed->dry_run);
}

TEST_F(LambdaApiTest, ConcurrencyIsTheNumberOfInstances) {
  platform_.Add("greeter");
  EXPECT_EQ(Send("GET", "/2019-09-30/functions/greeter/concurrency").body, "{}");
  const auto put = Send("PUT", "/2017-10-31/functions/greeter/concurrency",
                        R"({"ReservedConcurrentExecutions":4})");
  EXPECT_EQ(put.body, R"({"ReservedConcurrentExecutions":4})");
  EXPECT_EQ(platform_.functions["greeter"].spec.max_instances, 4);
  EXPECT_EQ(Send("DELETE", "/2017-10-31/functions/greeter/concurrency").status, 204);
  EXPECT_EQ(platform_.functions["greeter"].spec.max_instances, 0);
}

TEST_F(LambdaApiTest, WhatIsNotServedSaysSo) {
  const auto response = Send("GET", "/2015-03-31/functions/greeter/aliases");
  EXPECT_EQ(response.status, 501);
  EXPECT_EQ(response.Get("x-amzn-ErrorType"), "NotImplementedException");
  EXPECT_THAT(response.body, HasSubstr("does not serve ListAliases"));
  const auto unknown = Send("PATCH", "/2015-03-31/functions/greeter");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.Get("x-amzn-ErrorType"), "UnknownOperationException");
}

TEST_F(LambdaApiTest, TagsAreListed) {
  platform_.Add("greeter").spec.tags = {{"a", "b"}};
  EXPECT_EQ(
      Send("GET",
           "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Agreeter")
          .body,
      R"({"Tags":{"a":"b"}})");
}

}  // namespace
}  // namespace godwit::aws
