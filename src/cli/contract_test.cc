// The verbs and the APIs that they call agree: each verb against the real server, over a real
// socket, with the platform alone made up.
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "admin/admin_api.h"
#include "aws/lambda_api.h"
#include "base/entropy.h"
#include "cli/test_shell.h"
#include "functions/fake_platform.h"
#include "http/client.h"
#include "http/server.h"

namespace godwit::cli {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr auto kInstance = "i-3f9a0c51b2";
constexpr auto kRequest = "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411";

class ContractTest : public testing::Test {
 protected:
  ContractTest() {
    EXPECT_TRUE(server_->Listen("127.0.0.1:0").has_value());
    shell_.endpoint = fmt::format("http://127.0.0.1:{}", server_->port());
    shell_.transport = [](std::string_view url, http::Request request) {
      return http::FetchNow(url, std::move(request));
    };
    loop_thread_ = std::thread([this] { loop_.run(); });
  }
  ~ContractTest() override {
    asio::co_spawn(
        loop_, [this]() -> asio::awaitable<void> { co_await server_->Drain(10s); },
        [](std::exception_ptr) {});
    loop_thread_.join();
  }

  // `work` on the loop, where the platforms live.
  void Let(const std::function<void()>& work) {
    asio::co_spawn(
        loop_,
        [&work]() -> asio::awaitable<void> {
          work();
          co_return;
        },
        asio::use_future)
        .get();
  }

  static http::Limits SomeLimits() {
    http::Limits limits;
    limits.body_bytes = aws::LambdaApi::BodyLimit;
    return limits;
  }

  functions::FakePlatform platform_;
  SystemEntropy entropy_;
  Log log_{"test", LogLevel::kOff};
  aws::LambdaApi lambda_api_{platform_, {}, entropy_, log_};
  admin::AdminApi admin_api_{platform_,
                             [] {
                               admin::NodeInfo info;
                               info.version = "0.1.0";
                               return info;
                             },
                             log_};
  asio::io_context loop_{1};
  std::optional<http::Server> server_{std::in_place, loop_.get_executor(),
                                      [this](http::Request request) {
                                        return admin::AdminApi::Serves(request)
                                                   ? admin_api_.Handle(std::move(request))
                                                   : lambda_api_.Handle(std::move(request));
                                      },
                                      SomeLimits(), log_};
  std::thread loop_thread_;
  TestShell shell_;
};

TEST_F(ContractTest, DeployListInvokeRm) {
  std::string folder = fs::temp_directory_path() / "godwit-contract-XXXXXX";
  ::mkdtemp(folder.data());
  std::ofstream(folder + "/greeter.py") << "def handler(event, context):\n    return event\n";
  auto heard = shell_.Type(
      {"deploy", folder, "--name", "greeter", "--timeout", "60", "--env", "LEVEL=debug"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_THAT(heard.out,
              StartsWith("greeter created: python3, greeter.handler (guessed from greeter.py), "));
  Let([&] {
    EXPECT_EQ(platform_.functions["greeter"].spec.timeout, 60s);
    EXPECT_EQ(platform_.functions["greeter"].spec.environment["LEVEL"], "debug");
  });
  heard = shell_.Type({"deploy", folder, "--name", "greeter", "--memory", "256"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_THAT(heard.out, StartsWith("greeter updated: python3, greeter.handler, "));
  Let([&] { EXPECT_EQ(platform_.functions["greeter"].spec.memory_mb, 256); });
  heard = shell_.Type({"deploy", folder, "--name", "greeter", "--timeout", "0"});
  EXPECT_EQ(heard.exit, 2) << heard.err;
  EXPECT_THAT(heard.err, StartsWith("godwit: cannot deploy '" + folder + "': "));
  fs::remove_all(folder);

  EXPECT_THAT(shell_.Type({"list"}).out,
              HasSubstr("\ngreeter   python3  greeter.handler  256 MB     60 s"));
  heard = shell_.Type({"invoke", "greeter", R"({"n": 1.0})"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, "{\"n\": 1.0}\n");
  EXPECT_EQ(shell_.Type({"invoke", "greeter", "--async"}).out,
            std::string(functions::FakePlatform::kRequestId) + "\n");
  EXPECT_EQ(shell_.Type({"invoke", "greeter", "{no json"}).exit, 2);
  EXPECT_EQ(shell_.Type({"invoke", "nobody"}).exit, 3);
  EXPECT_EQ(shell_.Type({"rm", "greeter"}).out, "greeter removed\n");
  EXPECT_EQ(shell_.Type({"rm", "greeter"}).exit, 3);
}

TEST_F(ContractTest, AFunctionThatFails) {
  Let([&] {
    platform_.Add("f");
    platform_.answers = [](const functions::Platform::Call&) {
      functions::Outcome outcome;
      outcome.id.text = kRequest;
      outcome.payload = R"({"errorType":"ValueError","errorMessage":"no"})";
      outcome.function_error = "Unhandled";
      outcome.log_tail = "Traceback\n";
      return outcome;
    };
  });
  const auto heard = shell_.Type({"invoke", "f", "--tail"});
  EXPECT_EQ(heard.exit, 1);
  EXPECT_EQ(heard.out, "{\"errorType\":\"ValueError\",\"errorMessage\":\"no\"}\n");
  EXPECT_EQ(heard.err,
            "Traceback\ngodwit: cannot invoke 'f': the function failed: ValueError: no (see "
            "`godwit logs f`)\n");
}

TEST_F(ContractTest, PsSuspendResume) {
  Let([&] {
    functions::InstanceView view;
    view.id = {kInstance};
    view.function = "reminder";
    view.state = functions::State::kSuspended;
    view.image_bytes = 2'400'000;
    view.wakes_at = SystemClock().Wall() + 1h;
    platform_.instances = {view};
    functions::MoveReport report;
    report.instance = view;
    report.took = 41'300us;
    report.memory_before = 13'700'000;
    platform_.moved = report;
  });
  shell_.now = SystemClock().Wall();
  EXPECT_THAT(
      shell_.Type({"ps"}).out,
      testing::ContainsRegex("\ni-3f9a0c51b2  reminder  SUSPENDED +0 B  2.40 MB  in [0-9]+ "));
  EXPECT_EQ(shell_.Type({"suspend", kInstance}).out,
            "i-3f9a0c51b2  SUSPENDED  memory 13.7 MB -> 0 B  image 2.40 MB  in 41.3 ms\n");
  EXPECT_EQ(shell_.Type({"resume", kInstance}).exit, 0);
  const auto heard = shell_.Type({"suspend", "i-7"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err,
            "godwit: cannot suspend 'i-7': 'i-7' is not the id of an instance (it looks like "
            "i-3f9a0c51b2; `godwit ps` lists them)\n");
}

TEST_F(ContractTest, ResultLogsDoctor) {
  Let([&] {
    auto& call = platform_.records[kRequest];
    call.id = {kRequest};
    call.function = "f";
    call.status = functions::CallStatus::kSucceeded;
    call.finished = call.accepted + 20s;
    call.payload = "[1.50]";
    platform_.logs["f"] = "hello\n";
    functions::TrialReport& trial = platform_.trials["f"];
    trial.function = "f";
    trial.instance = {kInstance};
    trial.tiers.push_back({.tier = functions::Tier::kDisk,
                           .result = functions::TierTrial::Result::kWorks,
                           .state = functions::State::kReady,
                           .reason = "",
                           .took = 31ms,
                           .back = 20ms,
                           .memory_before = 6'770'000,
                           .memory_after = 0,
                           .image_bytes = 2'400'000});
    trial.outcome.emplace().payload = "[1.50]";
  });
  EXPECT_EQ(shell_.Type({"result", kRequest, "--wait"}).out, "[1.50]\n");
  EXPECT_THAT(shell_.Type({"result", kRequest, "--json"}).out, HasSubstr("\"result\":[1.50]}"));
  EXPECT_EQ(shell_.Type({"logs", "f"}).out, "hello\n");
  EXPECT_THAT(shell_.Type({"doctor", "f", "--event", "[2]", "--for", "1500ms"}).out,
              StartsWith("f will checkpoint\n"));
  Let([&] {
    EXPECT_EQ(platform_.tried.back().event, "[2]");
    EXPECT_EQ(platform_.tried.back().limit, 1500ms);
  });
  EXPECT_THAT(shell_.Type({"doctor", "f", "--json"}).out,
              testing::AllOf(HasSubstr("\"checkpoints\":true"), HasSubstr("\"result\":[1.50]}")));
  EXPECT_THAT(shell_.Type({"doctor"}).out, StartsWith("node 0.1.0 at http://127.0.0.1:"));
  EXPECT_EQ(shell_.Type({"doctor", "nobody"}).exit, 3);
  for (const char* verb : {"invoke", "logs", "doctor"}) {
    EXPECT_THAT(shell_.Type({verb, "nobody"}).err,
                HasSubstr(" (`godwit list` shows the functions)\n"));
  }
}

TEST_F(ContractTest, Callback) {
  Let([&] { platform_.records[kRequest] = {}; });
  auto heard = shell_.Type({"callback", kRequest, R"({"n": 1.0})", "--key", "k"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, std::string(kRequest) + "  callback 0\n");
  Let([&] {
    ASSERT_EQ(platform_.callbacks.size(), 1u);
    EXPECT_EQ(platform_.callbacks[0].payload, R"({"n": 1.0})");
    EXPECT_EQ(platform_.callbacks[0].key, "k");
  });
  EXPECT_EQ(shell_.Type({"callback", kRequest, "{no json"}).exit, 2);
  EXPECT_EQ(shell_.Type({"callback", "1", "1"}).exit, 2);
  EXPECT_EQ(shell_.Type({"callback", functions::FakePlatform::kRequestId, "1"}).exit, 3);
}

TEST_F(ContractTest, NobodyListens) {
  shell_.endpoint = "unix:/nonexistent/godwit.sock";
  const auto heard = shell_.Type({"ps"});
  EXPECT_EQ(heard.exit, 13);
  EXPECT_THAT(
      heard.err,
      StartsWith("godwit: cannot list instances: cannot reach 'unix:/nonexistent/godwit.sock': "));
}

}  // namespace
}  // namespace godwit::cli
