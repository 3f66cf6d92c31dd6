#include "http/server.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/scope.h"
#include "http/client.h"
#include "http/testing.h"

// Each script is kept by whoever runs it until it has ended, and with it what it captured.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace godwit::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::Peer;
using testing::RunToEnd;
using testing::Start;
using ::testing::StartsWith;
using testing::Until;

constexpr std::string_view kGet = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";

// A server with paths that do one thing each, on the loop that the tests' clients use too.
struct ServerTest : ::testing::Test {
  asio::awaitable<Response> Handle(Request request) {
    ++handled;
    if (request.path == "/throw") throw std::runtime_error("the handler's own");
    if (request.path == "/forge") {
      Response forged;
      forged.headers = {{"X", "a\r\nSet-Cookie: b"}};
      co_return forged;
    }
    if (request.path == "/stream-throw") {
      Response response;
      response.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
        EXPECT_TRUE(co_await sink.Write("half"));
        throw std::runtime_error("the producer's own");
      };
      co_return response;
    }
    if (request.path == "/wait") {
      asio::steady_timer timer(loop, 1h);
      waiting.push_back(&timer);
      const ScopeExit gone([&] { std::erase(waiting, &timer); });
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return Text(200, request.method + " " + request.path + " " + request.body);
  }

  void Listen(std::string_view address = "127.0.0.1:0") {
    server.emplace(
        loop.get_executor(), [this](Request request) { return Handle(std::move(request)); }, limits,
        Log("test", LogLevel::kOff));
    const auto listening = server->Listen(address);
    ASSERT_TRUE(listening) << listening.error().ToString();
  }
  Peer Connect() { return {loop, testing::ConnectTo(server->endpoints().front())}; }
  // Runs the script, then drains the server.
  void Run(const testing::Script& script) {
    RunToEnd(loop, [&]() -> asio::awaitable<void> {
      co_await script();
      co_await server->Drain(Nanos::zero());
    });
  }
  asio::awaitable<std::string> Ask(std::string bytes) {
    Peer peer = Connect();
    peer.Say(bytes);
    co_return co_await peer.HearToTheEnd();
  }

  asio::io_context loop{1};
  Limits limits;
  int handled = 0;
  std::vector<asio::steady_timer*> waiting;
  std::optional<Server> server;
};

TEST_F(ServerTest, ServesRequestsOverTcpAndUnixSockets) {
  const std::string path = "/tmp/godwit-server-test-" + std::to_string(::getpid());
  Listen();
  ASSERT_TRUE(server->Listen("[::1]:0"));
  ASSERT_TRUE(server->Listen("unix:" + path));
  EXPECT_NE(server->port(), 0);
  ASSERT_EQ(server->endpoints().size(), 3U);
  Run([&]() -> asio::awaitable<void> {
    for (const std::string& endpoint : server->endpoints()) {
      Client client(loop.get_executor(),
                    endpoint.starts_with("unix:") ? endpoint : "http://" + endpoint);
      for (const std::string body : {"one", "two"}) {
        const auto response =
            co_await client.Fetch({.method = "PUT", .path = "/echo", .body = body});
        EXPECT_EQ(response.value().body, "PUT /echo " + body);
      }
    }
  });
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "the socket's file goes with the server";
}

TEST_F(ServerTest, AnAddressInUseIsAConflict) {
  Listen();
  Run([&]() -> asio::awaitable<void> {
    const auto second = server->Listen(server->endpoints().front());
    EXPECT_EQ(second.error().code(), Code::kConflict);
    EXPECT_THAT(second.error().ToString(), HasSubstr("pass another --listen"));
    co_return;
  });
}

TEST_F(ServerTest, RefusedRequestsAreToldWhyAndTheConnectionEnds) {
  limits.header_bytes = 200;
  limits.body_bytes = [](std::string_view, std::string_view) { return size_t{4}; };
  limits.head = 5ms;
  Listen();
  Run([&]() -> asio::awaitable<void> {
    EXPECT_THAT(co_await Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_THAT(co_await Ask("GET / HTTP/1.1\r\nX: " + std::string(200, 'x')),
                StartsWith("HTTP/1.1 431 "));
    EXPECT_THAT(co_await Ask("GET / HT"), StartsWith("HTTP/1.1 408 "));
    const std::string large = co_await Ask(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n01234" + std::string(kGet));
    EXPECT_THAT(large, StartsWith("HTTP/1.1 413 "));
    EXPECT_THAT(large, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(
        large,
        EndsWith("cannot read the request: its body has 5 bytes, and at most 4 are taken\n"));
  });
  EXPECT_EQ(handled, 0);
}

TEST_F(ServerTest, AFailingHandlerIsA500AndTheConnectionGoesOn) {
  Listen();
  Run([&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), "http://" + server->endpoints().front());
    for (const std::string path : {"/throw", "/forge"}) {
      const auto response = co_await client.Fetch({.path = path});
      EXPECT_EQ(response.value().status, 500);
      EXPECT_EQ(response.value().body, "internal error\n") << "what went wrong is for the log";
    }
    EXPECT_EQ((co_await client.Fetch({.path = "/echo"})).value().status, 200);
    EXPECT_EQ(server->connections(), 1U);
    EXPECT_EQ((co_await client.Fetch({.path = "/stream-throw"})).error().code(),
              Code::kUnavailable);
    EXPECT_EQ((co_await client.Fetch({.path = "/echo"})).value().status, 200);
  });
}

TEST_F(ServerTest, WhenAllRunRequestsMoreConnectionsThanAllowedAreTurnedAway) {
  limits.connections = 2;
  Listen();
  Run([&]() -> asio::awaitable<void> {
    Peer waits = Connect();
    Peer sends = Connect();
    waits.Say("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    sends.Say("POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\ny");
    co_await Until(loop, [&] { return waiting.size() == 1; });
    for (int i = 0; i < 3; ++i) {
      const std::string refused = co_await Ask(std::string(kGet));
      EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
      EXPECT_THAT(refused, HasSubstr("Connection: close\r\n"));
    }
    sends.Say("es");
    EXPECT_THAT(co_await sends.HearToTheEnd(), EndsWith("POST /echo yes"));
    EXPECT_THAT(co_await Ask("GET /echo HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
    waiting.front()->cancel();
    EXPECT_THAT(co_await waits.Hear(1), StartsWith("HTTP/1.1 200 OK\r\n"));
  });
}

TEST_F(ServerTest, TheLongestWaitWithoutARequestMakesRoomForANewcomer) {
  limits.connections = 3;
  Listen();
  Run([&]() -> asio::awaitable<void> {
    Peer busy = Connect();
    busy.Say("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await Until(loop, [&] { return waiting.size() == 1; });
    Peer drips = Connect();
    drips.Say("G");
    Peer kept = Connect();
    kept.Say(kGet);
    EXPECT_THAT(co_await kept.Hear(1), StartsWith("HTTP/1.1 200 OK\r\n"));
    drips.Say("ET /ech");
    EXPECT_THAT(co_await Ask("GET /echo HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(co_await drips.HearToTheEnd(), "") << "the first to go, however often it says a word";
    co_await Until(loop, [&] { return server->connections() == 2; });
    kept.Say(kGet);
    EXPECT_THAT(co_await kept.Hear(1), StartsWith("HTTP/1.1 200 OK\r\n")) << "the room was enough";
    Peer third = Connect();
    Peer fourth = Connect();
    EXPECT_EQ(co_await kept.HearToTheEnd(), "") << "now it has waited longest";
    waiting.front()->cancel();
    EXPECT_THAT(co_await busy.Hear(1), StartsWith("HTTP/1.1 200 OK\r\n"));
  });
}

TEST_F(ServerTest, ACrowdThatSaysNothingKeepsNobodyOut) {
  limits.connections = 20;
  Listen();
  Run([&]() -> asio::awaitable<void> {
    std::vector<Peer> crowd;
    for (int i = 0; i < 100; ++i) {
      crowd.push_back(Connect());
      // Nothing, the beginning of a head, or what is refused and never read.
      if (i % 3 > 0) crowd.back().Say(i % 3 == 1 ? "G" : "\n\n");
      if (i % 10 == 0) {
        EXPECT_THAT(co_await Ask("GET /echo HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
      }
    }
    co_await Until(loop, [&] { return server->connections() <= 20; });
    EXPECT_THAT(co_await Ask("GET /echo HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  });
  EXPECT_EQ(handled, 11);
}

TEST_F(ServerTest, WithoutDescriptorsItWaitsAndDoesNotSpin) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer itself needs descriptors to look at memory";
#endif
#endif
  Listen();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const Fd highest(::dup(0));
  std::optional<Peer> peer(Connect());  // waits in the kernel's queue
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(highest.get()) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const ScopeExit restored([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
  EXPECT_LT(loop.run_for(20ms), 100U) << "steps of the loop";
  EXPECT_EQ(server->connections(), 0U);
  ::setrlimit(RLIMIT_NOFILE, &before);
  Run([&]() -> asio::awaitable<void> {
    peer->Say(kGet);
    EXPECT_THAT(co_await peer->Hear(1), StartsWith("HTTP/1.1 200 OK\r\n"));
  });
}

TEST_F(ServerTest, DrainEndsIdleConnectionsAndLetsRunningRequestsFinish) {
  Listen();
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Peer idle = Connect();
    Peer unused = Connect();
    Peer busy = Connect();
    idle.Say(kGet);
    co_await idle.Hear(1);
    busy.Say("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nyes");
    co_await Until(loop, [&] { return waiting.size() == 1 && server->connections() == 3; });
    bool drained = false;
    const std::string endpoint = server->endpoints().front();
    Start(loop, [&]() -> asio::awaitable<void> {
      co_await server->Drain(1h);
      drained = true;
    });
    EXPECT_EQ(co_await idle.HearToTheEnd(), "");
    EXPECT_EQ(co_await unused.HearToTheEnd(), "");
    EXPECT_FALSE(drained);
    EXPECT_THROW(testing::ConnectTo(endpoint), std::system_error) << "nobody is let in";
    EXPECT_EQ(server->Listen("127.0.0.1:0").error().code(), Code::kClosing);
    waiting.front()->cancel();
    const std::string answer = co_await busy.HearToTheEnd();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(answer, EndsWith("POST /wait yes"));
    co_await Until(loop, [&] { return drained; });
  });
}

TEST_F(ServerTest, DrainCutsWhatIsLeftAtItsEnd) {
  Listen();
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Peer busy = Connect();
    Peer slow = Connect();
    busy.Say("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.Say("GET /ech");
    co_await Until(loop, [&] { return waiting.size() == 1 && server->connections() == 2; });
    co_await server->Drain(5ms);
    EXPECT_EQ(server->connections(), 0U);
    EXPECT_TRUE(waiting.empty()) << "the handler has been cancelled and has ended";
    EXPECT_THAT(co_await busy.HearToTheEnd(), StartsWith("HTTP/1.1 "));
    EXPECT_EQ(co_await slow.HearToTheEnd(), "");
  });
}

TEST_F(ServerTest, HandlersThatDoNotCatchTheirCancellationAnswer503) {
  server.emplace(
      loop.get_executor(),
      [&](Request) -> asio::awaitable<Response> {
        asio::steady_timer timer(loop, 1h);
        ++handled;
        co_await timer.async_wait(asio::use_awaitable);
        co_return Response();
      },
      limits, Log("test", LogLevel::kOff));
  ASSERT_TRUE(server->Listen("127.0.0.1:0"));
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Peer busy = Connect();
    busy.Say(kGet);
    co_await Until(loop, [&] { return handled == 1; });
    co_await server->Drain(Nanos::zero());
    EXPECT_THAT(co_await busy.HearToTheEnd(), StartsWith("HTTP/1.1 503 "));
  });
}

TEST_F(ServerTest, SocketsAcceptedElsewhereAreServedToo) {
  Listen();
  Run([&]() -> asio::awaitable<void> {
    auto [near, far] = testing::SocketPair();
    Peer peer(loop, std::move(far));
    EXPECT_TRUE(server->Serve(std::move(near)));
    peer.Say("GET /echo HTTP/1.0\r\n\r\n");
    EXPECT_THAT(co_await peer.HearToTheEnd(), EndsWith("GET /echo "));
  });
  EXPECT_EQ(server->Serve(testing::SocketPair().first).error().code(), Code::kClosing);
}

TEST_F(ServerTest, ManyClientsAtOnceEachHearTheirOwnAnswer) {
  Listen();
  int answered = 0;
  Run([&]() -> asio::awaitable<void> {
    for (int i = 0; i < 50; ++i) {
      Start(loop, [&, i]() -> asio::awaitable<void> {
        Client client(loop.get_executor(), "http://" + server->endpoints().front());
        for (int j = 0; j < 20; ++j) {
          const std::string body = std::to_string(i) + "/" + std::to_string(j);
          const auto response =
              co_await client.Fetch({.method = "POST", .path = "/echo", .body = body});
          EXPECT_EQ(response.value().body, "POST /echo " + body);
        }
        ++answered;
      });
    }
    co_await Until(loop, [&] { return answered == 50; });
  });
  EXPECT_EQ(handled, 1000);
}

}  // namespace
}  // namespace godwit::http
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
