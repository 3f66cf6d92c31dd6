#include "aws/runtime_api.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

#include "aws/fake_runtime.h"

namespace godwit::aws {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class RuntimeApiTest : public testing::Test {
 protected:
  RuntimeApiTest() {
    Listening listening = Listen(loop_.get_executor());
    port_ = listening.port;
    endpoint_ = MakeRuntimeEndpoints(loop_.get_executor(), Log("test", LogLevel::kOff))(
        calls_, std::move(listening.socket));
  }

  // Runs a test's talk, then closes the endpoint.
  template <typename Talk>
  void Converse(Talk talk) {
    asio::co_spawn(
        loop_,
        [this, &talk]() -> asio::awaitable<void> {
          co_await talk();
          co_await endpoint_->Close();
        },
        [](std::exception_ptr escaped) {
          if (escaped) std::rethrow_exception(escaped);
        });
    loop_.run();
  }
  RawPeer Peer() { return RawPeer(loop_.get_executor(), port_); }
  // Until the endpoint has done what it can do.
  asio::awaitable<void> Until(auto holds) {
    while (!holds()) co_await asio::post(loop_, asio::use_awaitable);
  }

  asio::io_context loop_{1};
  FakeCalls calls_{loop_.get_executor()};
  uint16_t port_ = 0;
  std::unique_ptr<functions::RuntimeEndpoint> endpoint_;
};

TEST_F(RuntimeApiTest, ACallGoesThereAndBack) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    calls_.Give("id-1", R"({"n":1})");
    const RawAnswer event = co_await peer.Ask(kAskNext);
    EXPECT_EQ(event.status, 200);
    EXPECT_EQ(event.body, R"({"n":1})");
    EXPECT_THAT(event.head, HasSubstr("Lambda-Runtime-Aws-Request-Id: id-1\r\n"));
    EXPECT_THAT(event.head, HasSubstr("Lambda-Runtime-Deadline-Ms: 1234567890123\r\n"));
    const RawAnswer accepted = co_await peer.Ask(Post("invocation/id-1/response", "42"));
    EXPECT_EQ(accepted.status, 202);
    EXPECT_EQ(accepted.body, "{\"status\":\"OK\"}\n");
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 42"));
}

std::string AskForCallback(const std::string& id, int number) {
  return "GET /godwit/v1/invocations/" + id + "/callbacks/" + std::to_string(number) +
         " HTTP/1.1\r\nHost: x\r\n\r\n";
}

TEST_F(RuntimeApiTest, CallbacksAreGivenByNumberToWhoeverAsks) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer runtime = Peer();
    calls_.Give("id-1", "e");
    co_await runtime.Ask(kAskNext);
    calls_.GiveCallback(R"({"n":0})");
    RawPeer one = Peer();
    RawPeer two = Peer();
    const RawAnswer first = co_await one.Ask(AskForCallback("id-1", 0));
    EXPECT_EQ(first.status, 200);
    EXPECT_THAT(first.head, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_EQ(first.body, R"({"n":0})");
    EXPECT_EQ((co_await one.Ask(AskForCallback("id-1", 0))).body, R"({"n":0})") << "again";
    co_await one.Say(AskForCallback("id-1", 1));
    co_await two.Say(AskForCallback("id-1", 1));
    co_await Until([this] { return calls_.waiting_for_callback == 2; });
    calls_.GiveCallback("1");
    EXPECT_EQ((co_await one.Hear()).body, "1");
    EXPECT_EQ((co_await two.Hear()).body, "1");
    co_await one.Say(AskForCallback("id-1", 2));
    co_await Until([this] { return calls_.waiting_for_callback == 1; });
    EXPECT_EQ((co_await runtime.Ask(Post("invocation/id-1/response", "42"))).status, 202);
    const RawAnswer late = co_await one.Hear();
    EXPECT_EQ(late.status, 400);
    EXPECT_THAT(late.body, HasSubstr(R"("errorType":"InvalidRequestID")"));
    EXPECT_EQ((co_await one.Ask(AskForCallback("id-2", 0))).status, 400);
  });
}

TEST_F(RuntimeApiTest, ACloneIsToldThatItIsOne) {
  const std::string ask = "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n";
  Converse([this, ask]() -> asio::awaitable<void> {
    RawPeer runtime = Peer();
    const RawAnswer refused = co_await runtime.Ask(ask);
    EXPECT_EQ(refused.status, 403);
    EXPECT_THAT(refused.body, HasSubstr(R"("errorType":"InvalidStateTransition")"));
    calls_.restored = "i-0123";
    const RawAnswer restored = co_await runtime.Ask(ask);
    EXPECT_EQ(restored.status, 200);
    EXPECT_EQ(restored.body, "");
    EXPECT_THAT(restored.head, HasSubstr("Godwit-Log-Stream: i-0123\r\n"));
    EXPECT_EQ((co_await runtime.Ask(Post("restore/error", "{}"))).status, 202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("restore  {}"));
}

TEST_F(RuntimeApiTest, WhoGaveUpWaitingMakesRoomForOthers) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer runtime = Peer();
    calls_.Give("id-1", "e");
    co_await runtime.Ask(kAskNext);
    for (size_t i = 0; i < 40; ++i) {
      RawPeer gives_up = Peer();
      co_await gives_up.Say(AskForCallback("id-1", 0));
      co_await Until([&] { return calls_.callbacks_asked == i + 1; });
    }
    calls_.GiveCallback("1");
    EXPECT_EQ((co_await Peer().Ask(AskForCallback("id-1", 0))).body, "1");
  });
}

TEST_F(RuntimeApiTest, AResponseAndTheNextQuestionMayComeInOneWrite) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    calls_.Give("id-0", "0");
    co_await peer.Ask(kAskNext);
    for (int i = 1; i < 20; ++i) {
      const std::string id = "id-" + std::to_string(i);
      co_await peer.Say(Post("invocation/id-" + std::to_string(i - 1) + "/response", "r") +
                        kAskNext);
      EXPECT_EQ((co_await peer.Hear()).status, 202);
      calls_.Give(id, "event " + id);
      EXPECT_EQ((co_await peer.Hear()).body, "event " + id);
    }
  });
  EXPECT_EQ(calls_.log.size(), 19u);
}

TEST_F(RuntimeApiTest, TwoConnectionsShareTheConversation) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer asks = Peer();
    RawPeer answers = Peer();
    calls_.Give("a", "1");
    co_await asks.Ask(kAskNext);
    co_await asks.Say(kAskNext);
    co_await Until([this] { return calls_.waiting == 1; });
    EXPECT_EQ((co_await answers.Ask(Post("invocation/a/response", "r"))).status, 202);
    calls_.Give("b", "2");
    EXPECT_EQ((co_await asks.Hear()).body, "2");
  });
}

TEST_F(RuntimeApiTest, WhatIsOutOfPlaceIsRefusedAndTheConnectionGoesOn) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    const RawAnswer early = co_await peer.Ask(Post("invocation/id-1/response", "r"));
    EXPECT_EQ(early.status, 403);
    EXPECT_THAT(early.body, HasSubstr(R"("errorType":"InvalidStateTransition")"));
    calls_.Give("id-1", "e");
    co_await peer.Ask(kAskNext);
    const RawAnswer wrong = co_await peer.Ask(Post("invocation/id-2/response", "r"));
    EXPECT_EQ(wrong.status, 400);
    EXPECT_THAT(wrong.body, HasSubstr("InvalidRequestID"));
    EXPECT_EQ((co_await peer.Ask(Post("invocation/id-1/response", "r"))).status, 202);
    EXPECT_EQ((co_await peer.Ask(Post("invocation/id-1/response", "r"))).status, 400);
    EXPECT_EQ((co_await peer.Ask(Post("init/error", "{}"))).status, 403);
    EXPECT_EQ((co_await peer.Ask(Post("invocation/next", ""))).status, 405);
    EXPECT_EQ(
        (co_await peer.Ask("GET /2018-06-01/runtime/restore/none HTTP/1.1\r\nHost: x\r\n\r\n"))
            .status,
        404);
    const RawAnswer ping = co_await peer.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(ping.status, 200);
    EXPECT_EQ(ping.body, "pong");
  });
}

TEST_F(RuntimeApiTest, ErrorsReachTheCaller) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    EXPECT_EQ((co_await peer.Ask(Post("init/error", R"({"errorMessage":"no module"})",
                                      "Lambda-Runtime-Function-Error-Type: Runtime.Import\r\n")))
                  .status,
              202);
    calls_.Give("id-1", "e");
    co_await peer.Ask(kAskNext);
    EXPECT_EQ((co_await peer.Ask(Post("invocation/id-1/error", R"({"errorMessage":"no"})",
                                      "Lambda-Runtime-Function-Error-Type: ValueError\r\n")))
                  .status,
              202);
  });
  EXPECT_THAT(calls_.log, ElementsAre(R"(init Runtime.Import {"errorMessage":"no module"})",
                                      R"(fail id-1 ValueError {"errorMessage":"no"})"));
}

TEST_F(RuntimeApiTest, AStreamedResponseIsCollected) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    calls_.Give("id-1", "e");
    co_await peer.Ask(kAskNext);
    const std::string head =
        "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\n"
        "Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: ";
    const RawAnswer other = co_await peer.Ask(head + "sideways\r\n\r\n0\r\n\r\n");
    EXPECT_EQ(other.status, 400);
    EXPECT_THAT(other.body, HasSubstr("InvalidFunctionResponseMode"));
    co_await peer.Say(head + "streaming\r\n\r\n3\r\nabc\r\n");
    co_await peer.Say("2\r\nde\r\n0\r\nLambda-Runtime-Function-Error-Type: x\r\n\r\n");
    EXPECT_EQ((co_await peer.Hear()).status, 202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 abcde"));
}

TEST_F(RuntimeApiTest, CurlMayAskBeforeItSendsItsBody) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    calls_.Give("id-1", "e");
    co_await peer.Ask(kAskNext);
    const std::string post = Post("invocation/id-1/response", "12345", "Expect: 100-continue\r\n");
    const RawAnswer go_on = co_await peer.Ask(post.substr(0, post.size() - 5));
    EXPECT_EQ(go_on.status, 100);
    EXPECT_EQ((co_await peer.Ask("12345")).status, 202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 12345"));
}

TEST_F(RuntimeApiTest, TheLargestResponsePassesAndALargerOneFailsTheCall) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    calls_.Give("id-1", "e");
    calls_.Give("id-2", "e");
    calls_.Give("id-3", "e");
    co_await peer.Ask(kAskNext);
    EXPECT_EQ((co_await peer.Ask(
                   Post("invocation/id-1/response", std::string(functions::kMaxResponse, 'x'))))
                  .status,
              202);
    co_await peer.Ask(kAskNext);
    const RawAnswer larger = co_await peer.Ask(
        Post("invocation/id-2/response", std::string(functions::kMaxResponse + 1, 'x')));
    EXPECT_EQ(larger.status, 413);
    EXPECT_THAT(larger.body, HasSubstr("RequestEntityTooLarge"));
    co_await peer.Ask(kAskNext);
    // Far beyond it the body is not even read.
    const std::string huge = Post("invocation/id-3/response", "");
    co_await peer.Say(huge.substr(0, huge.find("Content-Length")) +
                      "Content-Length: 1000000000\r\n\r\n");
    const RawAnswer refused = co_await peer.Hear();
    EXPECT_EQ(refused.status, 413);
    EXPECT_THAT(refused.head, HasSubstr("Connection: close"));
  });
  ASSERT_EQ(calls_.log.size(), 3u);
  EXPECT_EQ(calls_.log[0], "respond id-1 6291556");
  EXPECT_THAT(calls_.log[1], StartsWith("fail id-2 Function.ResponseSizeTooLarge "));
  EXPECT_THAT(calls_.log[1],
              HasSubstr("Response payload size exceeded maximum allowed payload size (6291556"));
  EXPECT_THAT(calls_.log[2], StartsWith("fail id-3 Function.ResponseSizeTooLarge "));
}

TEST_F(RuntimeApiTest, ALargeBodyThatNobodyAskedForIsNotRead) {
  Converse([this]() -> asio::awaitable<void> {
    calls_.Give("id-1", "e");
    const auto begin = [](const std::string& path) {
      const std::string post = Post(path, "");
      return post.substr(0, post.find("Content-Length")) + "Content-Length: 20000\r\n\r\n";
    };
    const auto refused = [&](std::string path, int status) -> asio::awaitable<void> {
      RawPeer peer = Peer();
      const RawAnswer answer = co_await peer.Ask(begin(path));
      EXPECT_EQ(answer.status, status) << path;
      EXPECT_THAT(answer.head, HasSubstr("Connection: close")) << path;
    };
    co_await refused("invocation/id-1/response", 403);
    RawPeer asks = Peer();
    co_await asks.Ask(kAskNext);
    co_await refused("invocation/id-2/response", 400);
    co_await refused("invocation/id-2/error", 400);
    co_await refused("invocation/next", 413);
    co_await refused("nothing", 413);
    const RawAnswer small = co_await asks.Ask(Post("invocation/id-2/response", "not asked for"));
    EXPECT_EQ(small.status, 400);
    EXPECT_THAT(small.head, Not(HasSubstr("Connection: close")));
    EXPECT_EQ((co_await asks.Ask(Post("invocation/id-1/response", std::string(20000, 'x')))).status,
              202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 20000"));
}

TEST_F(RuntimeApiTest, OneConnectionAtATimeMaySendALargeBody) {
  Converse([this]() -> asio::awaitable<void> {
    calls_.Give("id-1", "e");
    const std::string large = Post("invocation/id-1/response", std::string(100'000, 'x'));
    {
      RawPeer first = Peer();
      RawPeer second = Peer();
      co_await first.Ask(kAskNext);
      co_await first.Say(large.substr(0, 50'000));
      co_await Until([this] { return calls_.asked_if_runs == 1; });
      const RawAnswer refused = co_await second.Ask(large);
      EXPECT_EQ(refused.status, 403);
      EXPECT_THAT(refused.body, HasSubstr("InvalidStateTransition"));
      EXPECT_THAT(refused.head, HasSubstr("Connection: close"));
    }
    // Its connection ended in the middle: the call can still be answered.
    RawPeer third = Peer();
    RawAnswer answer = co_await third.Ask(large);
    while (answer.status == 403) {
      third = Peer();
      answer = co_await third.Ask(large);
    }
    EXPECT_EQ(answer.status, 202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 100000"));
}

TEST_F(RuntimeApiTest, OneConnectionAtATimeMayAskForTheNextCall) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer first = Peer();
    RawPeer second = Peer();
    co_await first.Say(kAskNext);
    co_await Until([this] { return calls_.waiting == 1; });
    EXPECT_EQ((co_await second.Ask(kAskNext)).status, 403);
    calls_.Give("id-1", "for the first");
    EXPECT_EQ((co_await first.Hear()).body, "for the first");
  });
}

TEST_F(RuntimeApiTest, ARuntimeThatAsksAgainOnANewConnectionIsHeard) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer second = Peer();
    {
      RawPeer first = Peer();
      co_await first.Say(kAskNext);
      co_await Until([this] { return calls_.waiting == 1; });
    }
    co_await second.Say(kAskNext);
    calls_.Give("id-1", "for the second");
    EXPECT_EQ((co_await second.Hear()).body, "for the second");
  });
}

TEST_F(RuntimeApiTest, GarbageEndsItsConnectionAlone) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer bad = Peer();
    RawPeer good = Peer();
    const RawAnswer refused = co_await bad.Ask("\x16\x03\x01 hello\r\n\r\n");
    EXPECT_EQ(refused.status, 400);
    EXPECT_TRUE(co_await bad.HearsTheEnd());
    EXPECT_EQ((co_await good.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
  });
}

TEST_F(RuntimeApiTest, WithTheInstanceTheConversationEnds) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    co_await peer.Say(kAskNext);
    co_await Until([this] { return calls_.waiting == 1; });
    calls_.End();
    EXPECT_TRUE(co_await peer.HearsTheEnd());
  });
}

TEST_F(RuntimeApiTest, CloseEndsWhoeverWaits) {
  std::optional<RawPeer> idle;
  std::optional<RawPeer> waiting;
  std::optional<RawPeer> midway;
  Converse([&]() -> asio::awaitable<void> {
    idle.emplace(Peer());
    waiting.emplace(Peer());
    midway.emplace(Peer());
    co_await midway->Say("POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\n");
    co_await waiting->Say(kAskNext);
    co_await Until([this] { return calls_.waiting == 1; });
    co_await endpoint_->Close();
    EXPECT_EQ(calls_.waiting, 0u);
    EXPECT_TRUE(co_await idle->HearsTheEnd());
    EXPECT_TRUE(co_await waiting->HearsTheEnd());
    EXPECT_TRUE(co_await midway->HearsTheEnd());
    const Listening again = Listen(loop_.get_executor());
    EXPECT_NE(again.port, 0);
  });
}

TEST_F(RuntimeApiTest, AFunctionCannotEatUpTheNodesDescriptors) {
  Converse([this]() -> asio::awaitable<void> {
    std::vector<RawPeer> peers;
    size_t turned_away = 0;
    for (int i = 0; i < 100; ++i) {
      peers.push_back(Peer());
      co_await peers.back().Say("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
      char byte = 0;
      const auto [error, count] = co_await peers.back().socket().async_read_some(
          asio::buffer(&byte, 1), asio::as_tuple(asio::use_awaitable));
      if (error) ++turned_away;
    }
    EXPECT_EQ(turned_away, 84u);
  });
}

}  // namespace
}  // namespace godwit::aws
