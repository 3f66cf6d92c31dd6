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
                                  "AB=1", "--env", "BC=x=y", "--json"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, std::string(kCreated) + "\n");
  const auto sent = Sent(1);
  EXPECT_EQ(sent.at("FunctionName"), "hello");
  EXPECT_EQ(sent.at("Runtime"), "python3.11");
  EXPECT_EQ(sent.at("Timeout"), 60);
  EXPECT_EQ(sent.at("MemorySize"), 256);
  EXPECT_EQ(json::serialize(sent.at("Environment")), R"({"Variables":{"AB":"1","BC":"x=y"}})");
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
                 R"j({"Type":"User","message":"the runtime 'x' is not here (use python3)"})j");
  const auto heard = shell_.Type({"deploy", root_ + "/greeter", "--runtime", "x"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err, "godwit: cannot deploy '" + root_ +
                           "/greeter': the runtime 'x' is not here (use python3)\n");
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
  EXPECT_THAT(
      error({"deploy", root_ + "/my.fn"}),
      HasSubstr("'my.fn' is no name for a function (give it one with --name: 1 to 64 letters, "
                "digits, - or _)"));
  const auto refused = [&](const std::string& flag, const std::string& value) {
    const std::string said = error({"deploy", root_ + "/greeter", flag, value});
    return said.substr(said.find("/greeter': ") + 11);
  };
  EXPECT_EQ(refused("--timeout", "0"), "--timeout is 0 (give 1 to 900)\n");
  EXPECT_EQ(refused("--memory", "64"), "--memory is 64 (give 128 to 10240)\n");
  EXPECT_EQ(refused("--name", "a b"),
            "'a b' is no name for a function (give 1 to 64 letters, digits, - or _)\n");
  EXPECT_EQ(refused("--env", "1A=2"),
            "'1A' is no name for a variable (give two or more letters, digits or _, a letter "
            "first)\n");
  EXPECT_THAT(refused("--unset-env", "AB=1"), HasSubstr("--unset-env wants the NAME"));
  EXPECT_TRUE(shell_.asked.empty()) << "no node is asked about it";
  fs::create_directory(root_ + "/empty");
  EXPECT_THAT(error({"deploy", root_ + "/empty"}), HasSubstr("the folder is empty"));
  fs::create_directories(root_ + "/empty/.git/objects");
  EXPECT_THAT(error({"deploy", root_ + "/empty"}), HasSubstr("the folder is empty"));
  std::ofstream(root_ + "/junk.zip") << "junk";
  EXPECT_THAT(error({"deploy", root_ + "/junk.zip"}), HasSubstr("it is not a zip file"));
}

TEST_F(DeployTest, VariablesAreSetAndTakenOutOneByOne) {
  shell_.Answers("GET /2015-03-31/functions/greeter/configuration", 200,
                 R"({"RevisionId":"r-1","Environment":{"Variables":{"AB":"1","CD":"2"}}})");
  for (const auto* path : {"code", "configuration"})
    shell_.Answers(std::string("PUT /2015-03-31/functions/greeter/") + path, 200, kCreated);
  const auto heard =
      shell_.Type({"deploy", root_ + "/greeter", "--env", "EF=3", "--unset-env", "AB"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(json::serialize(Sent(2)),
            R"({"RevisionId":"r-1","Environment":{"Variables":{"CD":"2","EF":"3"}}})");
}

TEST_F(DeployTest, LambdasWordsBecomeOurs) {
  shell_.Answers(
      "POST /2015-03-31/functions", 400,
      R"j({"Message":"Lambda was unable to configure your environment variables because )j"
      R"j(… Reserved keys used in this request: AWS_REGION"})j");
  EXPECT_EQ(shell_.Type({"deploy", root_ + "/greeter", "--env", "AWS_REGION=x"}).err,
            "godwit: cannot deploy '" + root_ +
                "/greeter': 'AWS_REGION' is set by the platform (leave it out of --env)\n");
}

TEST_F(DeployTest, SaysOnWhatItRuns) {
  const auto said = [&](const std::string& runtime, const char* node = "v18.20.4") {
    TestShell shell;
    shell.Answers(
        "GET /godwit/v1/node", 200,
        fmt::format(R"j({{"features":[{{"name":"python3","present":true,"detail":"Python 3.11.2 )j"
                    R"j(at /p"}},{{"name":"nodejs","present":{},"detail":"Node.js {} at /n"}}]}})j",
                    *node != '\0', node));
    shell.Answers("POST /2015-03-31/functions", 201,
                  R"({"Runtime":")" + runtime + R"(","Handler":"a.b","CodeSize":612})");
    std::string out = shell.Type({"deploy", root_ + "/greeter"}).out;
    return out.substr(out.find(" of code") + 8);
  };
  EXPECT_EQ(said("python3"), "\n");
  EXPECT_EQ(said("python3.11"), "\n");
  EXPECT_EQ(said("python3.1"), "; runs on the host's Python 3.11.2\n");
  EXPECT_EQ(said("python3.12"), "; runs on the host's Python 3.11.2\n");
  EXPECT_EQ(said("nodejs18.x"), "\n");
  EXPECT_EQ(said("nodejs20.x"), "; runs on the host's Node.js v18.20.4\n");
  EXPECT_EQ(said("nodejs20.x", ""), "; the node's host has no nodejs, so that it cannot start\n");
  EXPECT_EQ(said("provided.al2023"), "\n");
}

TEST_F(DeployTest, ATarIsSentInPiecesAndBecomesAnImage) {
  std::ofstream(root_ + "/app.tar") << std::string((size_t{8} << 20) + 5, 'x');
  shell_.Answers("POST /godwit/v1/uploads", 201, R"({"upload":"upload-1"})");
  shell_.Answers("PUT /godwit/v1/uploads/upload-1?at=0", 200, R"({"bytes":8388608})");
  shell_.Answers("PUT /godwit/v1/uploads/upload-1?at=8388608", 200, R"({"bytes":8388613})");
  shell_.Answers("POST /godwit/v1/uploads/upload-1/image", 200,
                 R"({"image":"sha256:0123456789abcdef"})");
  shell_.Answers("POST /2015-03-31/functions", 201,
                 R"({"FunctionName":"boxed","PackageType":"Image","CodeSize":700})");
  const auto heard =
      shell_.Type({"deploy", "boxed", "--image", root_ + "/app.tar", "--memory", "256"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, "boxed created: image sha256:0123456789ab, 700 B\n");
  EXPECT_EQ(shell_.requests.at(2).body, "xxxxx");
  const auto sent = Sent(shell_.requests.size() - 1);
  EXPECT_EQ(sent.at("PackageType"), "Image");
  EXPECT_EQ(sent.at("Code").at("ImageUri"), "sha256:0123456789abcdef");
  EXPECT_FALSE(sent.contains("Runtime"));
}

TEST_F(DeployTest, AnImageOfTheDockerEngineIsNamed) {
  shell_.Answers("POST /2015-03-31/functions", 201,
                 R"({"FunctionName":"boxed","Engine":"docker","CodeSize":700})");
  const auto heard = shell_.Type({"deploy", "boxed", "--image", "my/app:3", "--engine", "docker"});
  EXPECT_EQ(heard.out, "boxed created: image my/app:3 at the Docker Engine, 700 B\n");
  EXPECT_EQ(Sent(1).at("Engine"), "docker");
  std::ofstream(root_ + "/app.tar") << "x";
  EXPECT_THAT(shell_.Type({"deploy", "b", "--image", root_ + "/app.tar", "--engine", "docker"}).err,
              HasSubstr("docker load"));
  EXPECT_THAT(shell_.Type({"deploy", "b", "--image", "no.tar"}).err, HasSubstr("no file 'no.tar'"));
}

TEST_F(DeployTest, AFunctionStaysAtItsEngine) {
  shell_.Answers("GET /2015-03-31/functions/greeter/configuration", 200, kCreated);
  const auto heard = shell_.Type({"deploy", root_ + "/greeter", "--engine", "docker"});
  EXPECT_EQ(heard.exit, 7);
  EXPECT_THAT(heard.err, HasSubstr("its engine is native (`godwit rm greeter`"));
}

}  // namespace
}  // namespace godwit::cli
