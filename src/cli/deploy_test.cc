#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "cli/test_shell.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr auto kCreated =
    R"({"FunctionName":"greeter","Runtime":"python3","Handler":"greeter.handler","CodeSize":612})";

class DeployTest : public testing::Test {
 protected:
  DeployTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-deploy-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    fs::create_directory(root_ + "/greeter");
    std::ofstream(root_ + "/greeter/greeter.py") << "def handler(event, context):\n    return 1\n";
  }
  ~DeployTest() override { fs::remove_all(root_); }

  json::object Sent(size_t index) {
    return json::parse(shell_.requests.at(index).body).as_object();
  }
  std::vector<std::string> Calls() {
    std::vector<std::string> calls;
    for (const auto& request : shell_.requests)
      calls.push_back(request.method + " " + request.target);
    return calls;
  }

  std::string root_;
  TestShell shell_;
};

TEST_F(DeployTest, AFolderBecomesAFunction) {
  shell_.Answers("POST /2015-03-31/functions", 201, kCreated);
  const auto heard = shell_.Type({"deploy", root_ + "/greeter/"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out,
            "greeter created: python3, greeter.handler (guessed from greeter.py), 612 B of code\n");
  EXPECT_THAT(Calls(), ElementsAre("GET /2015-03-31/functions/greeter/configuration",
                                   "POST /2015-03-31/functions"));
  const auto sent = Sent(1);
  EXPECT_EQ(sent.at("FunctionName"), "greeter");
  EXPECT_EQ(sent.at("Runtime"), "python3");
  EXPECT_EQ(sent.at("Handler"), "greeter.handler");
  EXPECT_FALSE(sent.contains("Timeout"));
  const auto zip = FromBase64(std::string(sent.at("Code").at("ZipFile").as_string()));
  ASSERT_TRUE(zip.has_value());
  EXPECT_THAT(*zip, StartsWith("PK"));
  EXPECT_THAT(*zip, HasSubstr("greeter.py"));
}

TEST_F(DeployTest, FlagsAreSettings) {
  shell_.Answers("POST /2015-03-31/functions", 201, kCreated);
  const auto heard = shell_.Type({"deploy", root_ + "/greeter", "--name", "hello", "--runtime",
                                  "python3.11", "--timeout", "60", "--memory", "256", "--env",
                                  "A=1", "--env", "B=x=y", "--json"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, std::string(kCreated) + "\n");
  const auto sent = Sent(1);
  EXPECT_EQ(sent.at("FunctionName"), "hello");
  EXPECT_EQ(sent.at("Runtime"), "python3.11");
  EXPECT_EQ(sent.at("Timeout"), 60);
  EXPECT_EQ(sent.at("MemorySize"), 256);
  EXPECT_EQ(json::serialize(sent.at("Environment")), R"({"Variables":{"A":"1","B":"x=y"}})");
}

TEST_F(DeployTest, AnUpdateKeepsWhatIsNotSaid) {
  shell_.Answers("GET /2015-03-31/functions/greeter/configuration", 200, kCreated);
  shell_.Answers("PUT /2015-03-31/functions/greeter/code", 200, kCreated);
  const auto heard = shell_.Type({"deploy", root_ + "/greeter"});
  EXPECT_EQ(heard.out, "greeter updated: python3, greeter.handler, 612 B of code\n");
  EXPECT_THAT(Calls(), ElementsAre("GET /2015-03-31/functions/greeter/configuration",
                                   "PUT /2015-03-31/functions/greeter/code"));
}

TEST_F(DeployTest, AnUpdateOfBothTriesTheCodeFirst) {
  shell_.Answers("GET /2015-03-31/functions/greeter/configuration", 200, kCreated);
  shell_.Answers("PUT /2015-03-31/functions/greeter/code", 200, kCreated);
  shell_.Answers("PUT /2015-03-31/functions/greeter/configuration", 400,
                 R"j({"Type":"User","message":"'Timeout' is 0 (give 1 to 900)"})j");
  const auto heard = shell_.Type({"deploy", root_ + "/greeter", "--timeout", "0"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err,
            "godwit: cannot deploy '" + root_ + "/greeter': 'Timeout' is 0 (give 1 to 900)\n");
  ASSERT_EQ(shell_.requests.size(), 3u) << "the code was tried, not changed";
  EXPECT_EQ(Sent(1).at("DryRun"), true);
}

TEST_F(DeployTest, AZipFile) {
  std::ofstream(root_ + "/fn.zip") << "PK whatever";
  EXPECT_EQ(shell_.Type({"deploy", root_ + "/fn.zip"}).err,
            "godwit: cannot deploy '" + root_ +
                "/fn.zip': a .zip file does not tell its runtime (give --runtime and --handler)\n");
  shell_.Answers("POST /2015-03-31/functions", 201, kCreated);
  const auto heard =
      shell_.Type({"deploy", root_ + "/fn.zip", "--runtime", "python3", "--handler", "a.b"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  const auto sent = json::parse(shell_.requests.back().body);
  EXPECT_EQ(sent.at("FunctionName"), "fn");
  EXPECT_EQ(sent.at("Code").at("ZipFile").as_string(), std::string_view(ToBase64("PK whatever")));
}

TEST_F(DeployTest, Errors) {
  const auto error = [&](const std::vector<std::string>& words) {
    const auto heard = shell_.Type(words);
    EXPECT_NE(heard.exit, 0);
    EXPECT_EQ(heard.out, "");
    return heard.err;
  };
  EXPECT_EQ(error({"deploy", "/nonexistent"}),
            "godwit: cannot deploy '/nonexistent': there is no such folder\n");
  EXPECT_EQ(error({"deploy"}),
            "godwit: cannot run 'deploy': DIR is missing: the folder with the code, or a .zip file "
            "(usage: "
            "godwit deploy DIR [FLAGS])\n");
  EXPECT_THAT(error({"deploy", root_ + "/greeter", "--env", "A"}),
              HasSubstr("--env wants NAME=VALUE, not 'A'"));
  fs::create_directory(root_ + "/my.fn");
  EXPECT_THAT(error({"deploy", root_ + "/my.fn"}),
              HasSubstr("'my.fn' is no name for a function (give it one with --name)"));
}

}  // namespace
}  // namespace godwit::cli
