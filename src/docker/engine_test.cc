#include "docker/engine.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>

#include "docker/container.h"
#include "docker/fake_engine.h"
#include "docker/log_stream.h"
#include "storage/test_directory.h"

namespace godwit::docker {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;

class EngineTest : public testing::Test {
 protected:
  template <typename T>
  T Run(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(loop_, std::move(work), [&](std::exception_ptr escaped, T value) {
      if (escaped) std::rethrow_exception(escaped);
      result.emplace(std::move(value));
    });
    loop_.restart();
    while (!result) loop_.run_one();
    return *std::move(result);
  }
  void TearDown() override {
    asio::co_spawn(loop_, fake_.Close(), [](std::exception_ptr) {});
    loop_.restart();
    loop_.run();
  }
  void Answers(int status, const std::string& body) {
    fake_.answer = [=](const http::Request&) { return http::Json(status, body); };
  }

  storage::TestDirectory home_;
  asio::io_context loop_{1};
  FakeEngine fake_{loop_, home_ / "socket"};
  Engine engine_{loop_.get_executor(), home_ / "socket"};
};

TEST_F(EngineTest, AsksAsTheApiHasIt) {
  Answers(200, R"({"Id": "c1", "Version": "20.10", "Experimental": true, "Size": 7,
      "State": {"Running": true, "Paused": true, "Pid": 42, "ExitCode": 3, "OOMKilled": true},
      "Config": {"Entrypoint": ["/e"], "Cmd": null, "Env": ["A=1"], "WorkingDir": "/w"}})");
  EXPECT_EQ(Run(engine_.Ask())->version, "20.10");
  EXPECT_TRUE(Run(engine_.Ask())->experimental);
  const auto image = Run(engine_.FindImage("local/app:1")).value();
  EXPECT_EQ(image.bytes, 7U);
  EXPECT_THAT(image.entrypoint, ElementsAre("/e"));
  EXPECT_TRUE(image.command.empty());
  EXPECT_EQ(Run(engine_.Create("i-1", "{}")).value(), "c1");
  const auto state = Run(engine_.Look("c1")).value();
  EXPECT_TRUE(state.running && state.paused && state.out_of_memory);
  EXPECT_EQ(state.pid, 42);
  EXPECT_TRUE(Run(engine_.Start("c1")) && Run(engine_.Pause("c1")) && Run(engine_.Unpause("c1")));
  EXPECT_TRUE(Run(engine_.Remove("c1")));
  EXPECT_THAT(fake_.asked,
              ElementsAre("GET /version", "GET /version", "GET /images/local/app%3A1/json",
                          "POST /containers/create?name=i-1", "GET /containers/c1/json",
                          "POST /containers/c1/start", "POST /containers/c1/pause",
                          "POST /containers/c1/unpause", "DELETE /containers/c1?force=1&v=1"));
}

TEST_F(EngineTest, SaysWhatTheEngineSays) {
  Answers(404, R"({"message": "No such image: x"})");
  const auto refused = Run(engine_.Create("i-1", "{}"));
  EXPECT_EQ(refused.error().code(), Code::kNotFound);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("POST /containers/create: No such image: x"));
  EXPECT_TRUE(Run(engine_.Remove("c1"))) << "it is not there";
  Answers(500, "boom");
  EXPECT_THAT(Run(engine_.Pause("c1")).error().ToString(), HasSubstr("status 500"));
  Answers(200, "no json");
  EXPECT_EQ(Run(engine_.Ask()).error().code(), Code::kCorrupt);
}

TEST_F(EngineTest, NamesTheSocketWhereNobodyIs) {
  Engine nobody(loop_.get_executor(), home_ / "nobody");
  const auto answer = Run(nobody.Ask());
  EXPECT_EQ(answer.error().code(), Code::kUnavailable);
  EXPECT_THAT(answer.error().ToString(), HasSubstr(home_ / "nobody"));
  EXPECT_THAT(answer.error().ToString(), HasSubstr("docker_socket"));
}

TEST_F(EngineTest, FollowsALog) {
  fake_.answer = [](const http::Request&) {
    http::Response response;
    response.stream = [](http::BodySink& sink) -> asio::awaitable<Result<>> {
      co_return co_await sink.Write(std::string("\1\0\0\0\0\0\0\3abc", 11));
    };
    return response;
  };
  LogStream stream;
  std::string text;
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
  const auto sink = [&](const http::Response&,
                        std::string_view piece) -> asio::awaitable<Result<>> {
    text += stream.Feed(piece).value();
    co_return Result<>{};
  };
  EXPECT_TRUE(Run(engine_.FollowLogs("c1", sink)));
  EXPECT_EQ(text, "abc");
}

TEST_F(EngineTest, RemovesWhatAnEarlierNodeLeft) {
  fake_.answer = [](const http::Request& request) {
    return request.method == "GET" ? http::Json(200, R"([{"Id": "a"}, {"Id": "b"}])")
                                   : http::Response{.status = 204};
  };
  EXPECT_EQ(Run(RemoveLeftovers(engine_, "store")).value(), 2U);
  EXPECT_THAT(fake_.asked[0], HasSubstr("godwit.store%3Dstore"));
  EXPECT_EQ(fake_.asked.size(), 3U);
}

}  // namespace
}  // namespace godwit::docker
