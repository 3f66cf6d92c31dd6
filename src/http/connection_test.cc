#include "http/connection.h"

#include <gmock/gmock.h>

#include <boost/asio/as_tuple.hpp>
#include <optional>
#include <tuple>

#include "base/gate.h"
#include "http/testing.h"

// Each script is kept by whoever runs it until it has ended, and with it what it captured.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace godwit::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::Peer;
using ::testing::StartsWith;
using testing::Until;

// A connection and its peer on one loop.
struct ConnectionTest : ::testing::Test {
  void Open() {
    auto [near, far] = testing::SocketPair();
    connection.emplace(loop.get_executor(), std::move(near), limits);
    peer.emplace(loop, std::move(far));
  }

  // Runs the script and ends the connection.
  void RunToEnd(const testing::Script& script) {
    testing::RunToEnd(loop, [&]() -> asio::awaitable<void> {
      co_await script();
      connection.reset();
    });
  }

  asio::io_context loop{1};
  Limits limits;
  std::optional<Connection> connection;
  std::optional<Peer> peer;
};

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(ConnectionTest, PipelinedRequestsAreAnsweredInTurn) {
  Open();
  peer->Say(std::string(kGet) + "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" +
            "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
            "chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\nGET /d HT");
  RunToEnd([&]() -> asio::awaitable<void> {
    for (const std::string path : {"/a", "/b", "/c"}) {
      const auto request = co_await connection->Read();
      EXPECT_EQ(request.value().path, path);
      EXPECT_TRUE(co_await connection->Write(Text(200, path + request->body)));
    }
    EXPECT_FALSE(connection->Quiet()) << "a part of the next request has come";
    peer->Say("TP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ((co_await connection->Read()).value().path, "/d");
    EXPECT_TRUE(connection->Quiet()) << "read, and not answered yet";
  });
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
  EXPECT_EQ(peer->Heard(), head + "2\r\n\r\n/a" + head + "4\r\n\r\n/bhi" + head + "5\r\n\r\n/cyou");
}

TEST_F(ConnectionTest, TheEndBetweenRequestsIsClosing) {
  Open();
  peer->Say(kGet);
  peer->StopSaying();
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_TRUE(co_await connection->Write(Text(200, "still heard")));
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
    EXPECT_FALSE(connection->open());
  });
  EXPECT_THAT(peer->Heard(), HasSubstr("still heard"));
}

TEST_F(ConnectionTest, ARequestCutShortIsInvalid) {
  for (const std::string part :
       {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"}) {
    loop.restart();
    Open();
    peer->Say(part);
    peer->StopSaying();
    RunToEnd([&]() -> asio::awaitable<void> {
      const auto request = co_await connection->Read();
      EXPECT_EQ(request.error().code(), Code::kInvalid);
      EXPECT_EQ(connection->refusal(), 400);
    });
  }
}

TEST_F(ConnectionTest, ARefusalIsAnsweredAndEndsTheSession) {
  Open();
  peer->Say("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + std::string(kGet));
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kInvalid);
    EXPECT_TRUE(co_await connection->Write(Text(connection->refusal(), "no")));
    EXPECT_FALSE(connection->open());
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing)
        << "whatever follows is not looked at";
  });
  EXPECT_THAT(peer->Heard(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_F(ConnectionTest, WhoExpectsContinueIsToldOnceAndOnlyIfTheBodyIsWanted) {
  limits.body_bytes = [](std::string_view, std::string_view) { return size_t{4}; };
  Open();
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ";
  peer->Say(head + "4\r\n\r\n");
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      EXPECT_EQ(co_await peer->Hear(25), "HTTP/1.1 100 Continue\r\n\r\n");
      peer->Say("he");
      peer->Say("re");
    });
    EXPECT_EQ((co_await connection->Read()).value().body, "here");
    EXPECT_TRUE(co_await connection->Write(Response()));
    peer->Say(head + "4\r\n\r\nnow!");
    EXPECT_EQ((co_await connection->Read()).value().body, "now!");
    peer->Say(head + "5\r\n\r\n");
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kTooLarge);
    EXPECT_EQ(connection->refusal(), 413);
  });
  EXPECT_EQ(peer->Heard(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(ConnectionTest, LargeBodiesGoBothWays) {
  limits.body_bytes = nullptr;
  Open();
  const std::string body(6 << 20, 'b');
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      peer->Say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n");
      std::string_view rest = body;
      while (!rest.empty()) rest.remove_prefix(co_await peer->SaySome(rest));
      EXPECT_THAT(co_await peer->Hear(body.size()), ::testing::EndsWith("bbbb"));
    });
    auto request = co_await connection->Read();
    EXPECT_EQ(request.value().body.size(), body.size());
    EXPECT_TRUE(request.value().body == body);
    Response response;
    response.body = std::move(request->body);
    EXPECT_TRUE(co_await connection->Write(std::move(response)));
  });
}

TEST_F(ConnectionTest, AStreamedResponseIsChunkedAndTheConnectionGoesOn) {
  Open();
  peer->Say(std::string(kGet) + "GET / HTTP/1.0\r\n\r\n");
  RunToEnd([&]() -> asio::awaitable<void> {
    Response response;
    response.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
      for (const std::string_view piece : {"", "one", "", "two and more"}) {
        if (auto sent = co_await sink.Write(piece); !sent) co_return sent;
      }
      co_return Result<>();
    };
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_TRUE(co_await connection->Write(response));
    EXPECT_EQ(peer->Heard(),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\nc\r\ntwo and "
              "more\r\n0\r\n\r\n");
    EXPECT_TRUE(connection->open());
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_TRUE(co_await connection->Write(response));
    EXPECT_EQ(peer->Heard(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo and more")
        << "HTTP/1.0";
    EXPECT_FALSE(connection->open());
  });
}

TEST_F(ConnectionTest, AStreamThatFailsIsCutNotEnded) {
  Open();
  peer->Say(kGet);
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    Response response;
    response.stream = [&](BodySink& sink) -> asio::awaitable<Result<>> {
      EXPECT_FALSE(connection->Quiet());
      EXPECT_TRUE(co_await sink.Write("half"));
      co_return Fail(Code::kCorrupt, "the log ends here");
    };
    EXPECT_EQ((co_await connection->Write(std::move(response))).error().code(), Code::kCorrupt);
    EXPECT_FALSE(connection->open());
  });
  EXPECT_THAT(peer->Heard(), ::testing::EndsWith("4\r\nhalf\r\n"));
}

TEST_F(ConnectionTest, HeadGetsTheHeadAlone) {
  Open();
  peer->Say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kGet));
  RunToEnd([&]() -> asio::awaitable<void> {
    Response response;
    response.body = "hello";
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_TRUE(co_await connection->Write(response));
    EXPECT_EQ(peer->Heard(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_TRUE(co_await connection->Write(response));
    EXPECT_EQ(peer->Heard(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  });
}

TEST_F(ConnectionTest, AResponseThatCannotBeSentLeavesRoomForAnother) {
  Open();
  peer->Say(kGet);
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    Response forged;
    forged.headers = {{"X", "a\r\nY: b"}};
    EXPECT_EQ((co_await connection->Write(std::move(forged))).error().code(), Code::kInvalid);
    EXPECT_TRUE(co_await connection->Write(Text(500, "internal error")));
  });
  EXPECT_THAT(peer->Heard(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ConnectionTest, ASilentPeerIsLetGoWithoutAnAnswer) {
  limits.idle = 5ms;
  Open();
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
    EXPECT_FALSE(connection->open());
  });
}

TEST_F(ConnectionTest, ASlowHeadOrBodyTimesOut) {
  limits.head = limits.body = 5ms;
  for (const std::string part :
       {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx"}) {
    loop.restart();
    Open();
    peer->Say(part);
    RunToEnd([&]() -> asio::awaitable<void> {
      EXPECT_EQ((co_await connection->Read()).error().code(), Code::kTimeout);
      EXPECT_EQ(connection->refusal(), 408);
      EXPECT_TRUE(co_await connection->Write(Text(408, "too slow")));
    });
    EXPECT_THAT(peer->Heard(), StartsWith("HTTP/1.1 408 "));
  }
}

TEST_F(ConnectionTest, ADripDoesNotOutrunTheDeadlineOfTheHead) {
  limits.head = 20ms;
  Open();
  bool over = false;
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      peer->Say("GET / HTTP/1.1\r\n");
      asio::steady_timer timer(loop);
      while (!over) {
        peer->Say("X: y\r\n");
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
      }
    });
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kTimeout);
    over = true;
  });
}

TEST_F(ConnectionTest, ABodyThatKeepsItsRateHasMoreTime) {
  limits.body = 5ms;
  limits.body_rate = 1;  // each byte that came is worth a second
  Open();
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      peer->Say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n" + std::string(60, 'x'));
      asio::steady_timer timer(loop, 40ms);  // beyond the time that it would have without
      co_await timer.async_wait(asio::use_awaitable);
      peer->Say("there");
    });
    EXPECT_TRUE(co_await connection->Read());
  });
}

TEST_F(ConnectionTest, AReaderThatDoesNotReadTimesOut) {
  limits.write = 5ms;
  Open();
  peer->Say(kGet);
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    EXPECT_EQ((co_await connection->Write(Text(200, std::string(8 << 20, 'x')))).error().code(),
              Code::kTimeout);
    EXPECT_FALSE(connection->open());
  });
}

TEST_F(ConnectionTest, AStreamToAReaderThatDoesNotReadEndsItsProducer) {
  limits.write = 5ms;
  Open();
  peer->Say(kGet);
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    Response endless;
    endless.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
      const std::string piece(64 << 10, 'x');
      while (co_await sink.Write(piece)) {
      }
      EXPECT_FALSE(co_await sink.Write("once more")) << "and it stays ended";
      co_return Result<>();
    };
    EXPECT_EQ((co_await connection->Write(std::move(endless))).error().code(), Code::kTimeout);
  });
}

TEST_F(ConnectionTest, AReaderThatHasGoneIsUnavailable) {
  Open();
  peer->Say(kGet);
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Read());
    peer.reset();
    EXPECT_EQ((co_await connection->Write(Text(200, "nobody"))).error().code(), Code::kUnavailable);
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
  });
}

TEST_F(ConnectionTest, ReleaseGivesTheSocketBackWithoutTakingAByte) {
  Open();
  std::optional<Connection> second;
  RunToEnd([&]() -> asio::awaitable<void> {
    bool ended = false;
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
      ended = true;
    });
    co_await Until(loop, [&] { return connection->Idle(); });
    EXPECT_TRUE(connection->Quiet());
    peer->Say(kGet);  // the kernel has it, and the connection never will
    EXPECT_TRUE(connection->Quiet());
    const int number = connection->NativeHandle();
    Fd socket = connection->Release();
    EXPECT_EQ(socket.get(), number);
    co_await Until(loop, [&] { return ended; });
    second.emplace(loop.get_executor(), std::move(socket), limits);
    EXPECT_EQ((co_await second->Read()).value().path, "/a");
    second.reset();
  });
}

TEST_F(ConnectionTest, ARebuiltConnectionAnswersWhatAnotherRead) {
  Open();
  RunToEnd([&]() -> asio::awaitable<void> {
    EXPECT_TRUE(co_await connection->Write(Json(200, "{}")));
    EXPECT_TRUE(connection->open());
    peer->Say(kGet);
    EXPECT_TRUE(co_await connection->Read());
  });
  EXPECT_THAT(peer->Heard(), ::testing::EndsWith("Content-Length: 2\r\n\r\n{}"));
}

TEST_F(ConnectionTest, CancelEndsAReadAndAWrite) {
  Open();
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      co_await Until(loop, [&] { return connection->Idle(); });
      connection->Cancel();
    });
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
    EXPECT_EQ((co_await connection->Write(Response())).error().code(), Code::kClosing);
  });
  loop.restart();
  Open();
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      co_await peer->Hear(1);
      connection->Cancel();
    });
    EXPECT_EQ((co_await connection->Write(Text(200, std::string(8 << 20, 'x')))).error().code(),
              Code::kClosing);
  });
}

TEST_F(ConnectionTest, AClosingGateEndsARead) {
  Open();
  Gate gate(loop.get_executor());
  RunToEnd([&]() -> asio::awaitable<void> {
    bool ended = false;
    const auto session = [&]() -> asio::awaitable<void> {
      EXPECT_EQ((co_await connection->Read()).error().code(), Code::kClosing);
      ended = true;
    };
    EXPECT_TRUE(gate.Spawn(session()));
    co_await Until(loop, [&] { return connection->Idle(); });
    co_await gate.Close();
    EXPECT_TRUE(ended);
  });
}

TEST_F(ConnectionTest, LingeringReadsOnUntilThePeerHasSeenTheAnswer) {
  limits.body_bytes = [](std::string_view, std::string_view) { return size_t{4}; };
  Open();
  peer->Say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  RunToEnd([&]() -> asio::awaitable<void> {
    testing::Start(loop, [&]() -> asio::awaitable<void> {
      const std::string body(100000, 'x');
      for (std::string_view rest = body; !rest.empty();)
        rest.remove_prefix(co_await peer->SaySome(rest));
      EXPECT_THAT(co_await peer->HearToTheEnd(), StartsWith("HTTP/1.1 413 "));
      peer.reset();
    });
    EXPECT_EQ((co_await connection->Read()).error().code(), Code::kTooLarge);
    EXPECT_TRUE(co_await connection->Write(Text(connection->refusal(), "too large")));
    co_await connection->Linger();
  });
}

}  // namespace
}  // namespace godwit::http
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
