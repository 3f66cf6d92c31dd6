// The real AWS command line against the API, over a platform that is not real.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "aws/lambda_api.h"
#include "functions/fake_platform.h"
#include "http/server.h"

namespace godwit::aws {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kAws = "/usr/bin/aws";

struct Ran {
  int status = -1;
  std::string output;  // of both streams
};

class LambdaClientsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kAws, X_OK) != 0) GTEST_SKIP() << kAws << " is not installed";
    std::string name = "/tmp/godwit-aws-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(folder_ / "code.zip") << "PK\5\6" << std::string(18, '\0');  // with nothing in it
    http::Limits limits;
    limits.body_bytes = LambdaApi::BodyLimit;
    server_ = std::make_unique<http::Server>(
        loop_.get_executor(),
        [this](http::Request request) { return api_.Handle(std::move(request)); }, limits,
        Log("test", LogLevel::kOff));
    ASSERT_TRUE(server_->Listen("127.0.0.1:0"));
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    asio::co_spawn(loop_, server_->Drain(std::chrono::seconds(1)), [](std::exception_ptr) {});
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  // aws lambda `arguments`.
  Ran Aws(const std::string& arguments) {
    const std::string command = fmt::format(
        "cd {} && env -i PATH=/usr/bin:/bin HOME={} AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x "
        "AWS_DEFAULT_REGION=us-east-1 AWS_PAGER= AWS_MAX_ATTEMPTS=1 {} --endpoint-url "
        "http://127.0.0.1:{} --output json lambda {} 2>&1",
        folder_.string(), folder_.string(), kAws, port_, arguments);
    Ran ran;
    FILE* pipe = ::popen(command.c_str(), "r");
    char buffer[4096];
    while (const size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) {
      ran.output.append(buffer, count);
    }
    ran.status = WEXITSTATUS(::pclose(pipe));
    return ran;
  }
  std::string File(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }

  functions::FakePlatform platform_;
  SystemEntropy entropy_;
  LambdaApi api_{platform_, {}, entropy_, Log("test", LogLevel::kOff)};
  asio::io_context loop_{1};
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
  std::filesystem::path folder_;
};

TEST_F(LambdaClientsTest, TheCommandLineDeploysCallsAndDeletes) {
  const Ran created =
      Aws("create-function --function-name greeter --runtime python3.11 --handler app.handler "
          "--role arn:aws:iam::000000000000:role/r --zip-file fileb://code.zip --timeout 20 "
          "--environment 'Variables={KEY=v}'");
  ASSERT_EQ(created.status, 0) << created.output;
  EXPECT_EQ(json::parse(created.output).at("Timeout"), 20);
  EXPECT_EQ(Aws("wait function-active --function-name greeter").status, 0);

  const Ran invoked =
      Aws("invoke --function-name greeter --cli-binary-format raw-in-base64-out --log-type Tail "
          "--payload '{\"name\": \"edge\"}' out.json");
  ASSERT_EQ(invoked.status, 0) << invoked.output;
  EXPECT_EQ(json::parse(invoked.output).at("StatusCode"), 200);
  EXPECT_EQ(File("out.json"), R"({"name": "edge"})");

  const Ran listed = Aws("list-functions --query 'Functions[].FunctionName'");
  EXPECT_EQ(json::parse(listed.output), json::array{"greeter"});
  EXPECT_EQ(Aws("delete-function --function-name greeter").status, 0);
}

TEST_F(LambdaClientsTest, TheCommandLineShowsErrorsByTheirNames) {
  const Ran missing = Aws("get-function --function-name nobody");
  EXPECT_NE(missing.status, 0);
  EXPECT_THAT(missing.output, HasSubstr("(ResourceNotFoundException)"));
  EXPECT_THAT(missing.output, HasSubstr("Function not found: arn:aws:lambda:us-east-1:"));
  const Ran unserved = Aws("list-aliases --function-name nobody");
  EXPECT_NE(unserved.status, 0);
  EXPECT_THAT(unserved.output, HasSubstr("Godwit does not serve ListAliases"));
}

}  // namespace
}  // namespace godwit::aws
