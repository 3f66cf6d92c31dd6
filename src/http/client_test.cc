#include "http/client.h"

#include <gmock/gmock.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/scope.h"
#include "http/connection.h"
#include "http/server.h"
#include "http/testing.h"

// Each script is kept by whoever runs it until it has ended, and with it what it captured.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace godwit::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::RunToEnd;
using testing::Start;
using testing::Until;

// What the server does with one connection after the other; when the script's steps are done, it is
// closed.
using Conversation = std::function<asio::awaitable<void>(Connection&)>;

struct ClientTest : ::testing::Test {
  std::string Url() const { return "http://" + Address::Of(listener.get()).ToString(); }
  // Serves each conversation in turn, on a connection of its own.
  void Serve(std::vector<Conversation> conversations) {
    Start(loop, [this, conversations = std::move(conversations)]() -> asio::awaitable<void> {
      asio::posix::stream_descriptor door(loop, ::dup(listener.get()));
      for (const Conversation& conversation : conversations) {
        co_await door.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
        Connection connection(loop.get_executor(), Fd(::accept(listener.get(), nullptr, nullptr)),
                              limits);
        co_await conversation(connection);
        ++conversations_ended;
      }
    });
  }

  static asio::awaitable<void> AnswerOnce(Connection& connection) {
    const auto request = co_await connection.Read();
    if (request)
      static_cast<void>(
          co_await connection.Write(Text(200, request->method + " " + request->target)));
  }

  asio::io_context loop{1};
  Limits limits;
  Fd listener = ListenOn("127.0.0.1:0").value();
  int conversations_ended = 0;
};

TEST_F(ClientTest, CallsShareAConnection) {
  Serve({[](Connection& connection) -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) co_await AnswerOnce(connection);
  }});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url());
    EXPECT_EQ((co_await client.Fetch({.path = "/a", .query = "b=c"})).value().body, "GET /a?b=c");
    EXPECT_EQ(
        (co_await client.Fetch({.method = "HEAD", .target = "/d"})).value().Get("Content-Length"),
        "7");
    EXPECT_EQ((co_await client.Fetch({.method = "POST"})).value().body, "POST /");
  });
}

TEST_F(ClientTest, AnIdleConnectionThatTheServerClosedIsReplaced) {
  Serve({AnswerOnce, AnswerOnce});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url());
    EXPECT_TRUE(co_await client.Fetch({.method = "POST", .path = "/1"}));
    co_await Until(loop, [&] { return conversations_ended == 1; });
    EXPECT_EQ((co_await client.Fetch({.method = "POST", .path = "/2"})).value().body, "POST /2");
  });
}

TEST_F(ClientTest, ACallCutOffOnAKeptConnectionIsRepeatedOnlyIfThatIsHarmless) {
  const Conversation answer_and_cut = [](Connection& connection) -> asio::awaitable<void> {
    co_await AnswerOnce(connection);
    EXPECT_TRUE(co_await connection.Read()) << "and no answer";
  };
  Serve({answer_and_cut, answer_and_cut, AnswerOnce});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url());
    EXPECT_TRUE(co_await client.Fetch({.path = "/1"}));
    EXPECT_EQ((co_await client.Fetch({.path = "/2"})).value().body, "GET /2");
    const auto lost = co_await client.Fetch({.method = "POST", .path = "/3"});
    EXPECT_EQ(lost.error().code(), Code::kUnavailable);
    EXPECT_THAT(lost.error().ToString(), HasSubstr("lost '" + Url() + "' before it had answered"));
    EXPECT_TRUE(co_await client.Fetch({.method = "POST", .path = "/4"})) << "on a new connection";
  });
}

TEST_F(ClientTest, StreamedBodiesComeInPieces) {
  Serve({[](Connection& connection) -> asio::awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(co_await connection.Read());
      Response response;
      response.headers = {{"X", "y"}};
      response.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
        for (int line = 0; line < 100; ++line) EXPECT_TRUE(co_await sink.Write("line\n"));
        co_return Result<>();
      };
      static_cast<void>(co_await connection.Write(std::move(response)));
    }
  }});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url(), {.body_bytes = 10});
    std::string all;
    const auto response = co_await client.FetchStream(
        {}, [&](const Response& head, std::string_view piece) -> asio::awaitable<Result<>> {
          EXPECT_EQ(head.Get("x"), "y");
          all += piece;
          co_return Result<>();
        });
    EXPECT_EQ(response.value().status, 200);
    EXPECT_EQ(response.value().body, "");
    EXPECT_EQ(all.size(), 500U);
    const auto stopped = co_await client.FetchStream(
        {}, [](const Response&, std::string_view) -> asio::awaitable<Result<>> {
          co_return Fail(Code::kNoSpace, "enough");
        });
    EXPECT_EQ(stopped.error().code(), Code::kNoSpace);
  });
}

TEST_F(ClientTest, TooLargeIsSaidAndTheNextCallWorks) {
  Serve({AnswerOnce, AnswerOnce});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url(), {.body_bytes = 10});
    EXPECT_EQ((co_await client.Fetch({.path = "/too/long/for/it"})).error().code(),
              Code::kTooLarge);
    EXPECT_TRUE(co_await client.Fetch({.path = "/"}));
  });
}

TEST_F(ClientTest, ATimeoutEndsTheCallAndTheConnection) {
  Serve({[](Connection& connection) -> asio::awaitable<void> {
           EXPECT_TRUE(co_await connection.Read());
           EXPECT_EQ((co_await connection.Read()).error().code(), Code::kClosing);
         },
         AnswerOnce});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url());
    EXPECT_EQ((co_await client.Fetch({}, 5ms)).error().code(), Code::kTimeout);
    EXPECT_TRUE(co_await client.Fetch({}, 1h));
  });
}

TEST_F(ClientTest, OneCallAtATimeAndCancelEndsIt) {
  Serve({[](Connection& connection) -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection.Read());
    EXPECT_EQ((co_await connection.Read()).error().code(), Code::kClosing);
  }});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), Url());
    bool ended = false;
    Start(loop, [&]() -> asio::awaitable<void> {
      EXPECT_EQ((co_await client.Fetch({})).error().code(), Code::kClosing);
      ended = true;
    });
    asio::steady_timer timer(loop, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    EXPECT_EQ((co_await client.Fetch({})).error().code(), Code::kBusy);
    client.Cancel();
    co_await Until(loop, [&] { return ended; });
  });
}

TEST_F(ClientTest, NamesAreResolved) {
  Serve({AnswerOnce});
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(),
                  "http://localhost:" + std::to_string(Address::Of(listener.get()).port()));
    EXPECT_TRUE(co_await client.Fetch({}));
  });
}

TEST_F(ClientTest, WhatCannotBeReachedIsSaidWithTheWayOut) {
  const std::string url = Url();
  listener.Close();
  const auto response = FetchNow(url, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code(), Code::kUnavailable);
  EXPECT_EQ(response.error().ToString(),
            "cannot reach '" + url +
                "': Connection refused (is the node running? start it with `godwit node`)");
  EXPECT_EQ(FetchNow("127.0.0.1:9000", {}).error().code(), Code::kInvalid);
  EXPECT_EQ(FetchNow("unix:/nowhere/at/all", {}).error().code(), Code::kUnavailable);
  EXPECT_EQ(FetchNow("unix:/" + std::string(200, 'x'), {}).error().code(), Code::kUnavailable);
}

TEST_F(ClientTest, FetchNowNeedsNoLoop) {
  std::optional<Result<Response>> response;
  std::thread caller([&, url = Url()] {
    response = FetchNow(url, {.method = "POST", .path = "/x", .body = "y"});
  });
  Serve({AnswerOnce});
  loop.run();
  caller.join();
  ASSERT_TRUE(response.value());
  EXPECT_EQ((*response)->body, "POST /x");
}

}  // namespace
}  // namespace godwit::http
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
