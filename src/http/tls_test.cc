#include "http/tls.h"

#include <gmock/gmock.h>

#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/try.h"
#include "http/client.h"
#include "http/server.h"
#include "http/testing.h"
#include "http/tls_testing.h"

// Each script is kept by whoever runs it until it has ended, and with it what it captured.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace godwit::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::Authority;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Peer;
using testing::RunToEnd;
using ::testing::StartsWith;
using testing::Until;

// A server of TLS and clients of all kinds, on one loop.
struct TlsTest : ::testing::Test {
  asio::awaitable<Response> Handle(Request request) {
    peers.push_back(request.peer);
    if (request.path == "/size") co_return Text(200, std::to_string(request.body.size()));
    if (request.path == "/stream") {
      Response response;
      response.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
        for (int i = 0; i < 1000; ++i) {
          GODWIT_CO_TRY(co_await sink.Write(std::string(static_cast<size_t>(i), 'x')));
        }
        co_return Result<>();
      };
      co_return response;
    }
    if (request.path == "/cut") {
      Response response;
      response.stream = [](BodySink& sink) -> asio::awaitable<Result<>> {
        GODWIT_CO_TRY(co_await sink.Write("half"));
        co_return Fail(Code::kInternal, "the producer's own");
      };
      co_return response;
    }
    co_return Text(200, std::move(request.body));
  }

  void Listen(const TlsOptions& options) {
    limits.body_bytes = [](std::string_view, std::string_view) { return size_t{1} << 30; };
    server.emplace(
        loop.get_executor(), [this](Request request) { return Handle(std::move(request)); }, limits,
        Log("test", LogLevel::kOff));
    const auto listening = server->Listen(ListenOn("127.0.0.1:0").value(), Context(options));
    ASSERT_TRUE(listening) << listening.error().ToString();
  }
  static TlsContext Context(const TlsOptions& options) { return TlsContext::Make(options).value(); }
  std::string Url() const { return "https://" + server->endpoints().front(); }
  // A client of one call, and its outcome.
  asio::awaitable<Result<Response>> Call(const TlsOptions& options, TlsExpectation expected = {},
                                         Request request = {.path = "/"}) {
    ClientOptions with;
    with.tls = Context(options);
    with.expected = std::move(expected);
    Client client(loop.get_executor(), Url(), with);
    co_return co_await client.Fetch(std::move(request), 20s);
  }
  void Run(const testing::Script& script) {
    RunToEnd(loop, [&]() -> asio::awaitable<void> {
      co_await script();
      co_await server->Drain(Nanos::zero());
    });
  }
  Peer Connect() { return {loop, testing::ConnectTo(server->endpoints().front())}; }

  asio::io_context loop{1};
  Limits limits;
  Authority ours{"Our authority"};
  Authority theirs{"Their authority"};
  std::vector<Identity> peers;
  std::optional<Server> server;
};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761U) >> 13);
  return bytes;
}

TEST_F(TlsTest, BothSidesLearnWhoTheOtherIs) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const TlsOptions own = ours.Member("node-b");
    ClientOptions with;
    with.tls = Context(own);
    with.expected.name = "node-a";
    Client client(loop.get_executor(), Url(), with);
    EXPECT_FALSE(client.peer());
    for (const std::string body : {"one", "two"}) {
      const auto response = co_await client.Fetch({.method = "POST", .path = "/", .body = body});
      EXPECT_EQ(response.value().body, body);
    }
    EXPECT_EQ(client.peer().name, "node-a");
    EXPECT_EQ(peers.size(), 2U);
    EXPECT_EQ(peers.back().name, "node-b");
    EXPECT_EQ(peers.back().fingerprint, Certificate::Parse(own.certificate)->fingerprint);
    EXPECT_EQ(server->connections(), 1U) << "it is kept";
  });
}

TEST_F(TlsTest, WhoShowsNothingIsNobodyWhereThatIsAllowed) {
  TlsOptions options = ours.Member("node-a");
  options.of_clients = ClientCertificate::kIfThere;
  limits.stranger_body_bytes = 10;
  Listen(options);
  Run([&]() -> asio::awaitable<void> {
    const Request large = {.method = "POST", .path = "/", .body = std::string(11, 'x')};
    EXPECT_TRUE(co_await Call(ours.Stranger()));
    EXPECT_FALSE(peers.back());
    EXPECT_EQ((co_await Call(ours.Stranger(), {}, large)).value().status, 413);
    EXPECT_EQ((co_await Call(ours.Member("node-b"), {}, large)).value().status, 200);
    EXPECT_TRUE(co_await Call(ours.Member("node-b")));
    EXPECT_EQ(peers.back().name, "node-b");
    TlsOptions other = theirs.Member("node-c");
    other.authorities = ours.certificate;
    const auto refused = co_await Call(other);
    EXPECT_EQ(refused.error().code(), Code::kDenied) << "what is shown must be good";
  });
}

TEST_F(TlsTest, WhoShowsNothingIsRefusedWhereACertificateIsDemanded) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const auto refused = co_await Call(ours.Stranger());
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_EQ(refused.error().ToString(),
              "cannot call '" + Url() + "': it demands a certificate, and was shown none");
    EXPECT_THAT(peers, IsEmpty());
  });
}

TEST_F(TlsTest, AClientOfAnotherAuthorityIsRefused) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    TlsOptions other = theirs.Member("node-b");
    other.authorities = ours.certificate;
    const auto refused = co_await Call(other, {}, {.method = "POST", .body = Pattern(5'000'000)});
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("does not know the authority"));
    EXPECT_THAT(peers, IsEmpty());
  });
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsNotBelieved) {
  Listen(theirs.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const auto refused = co_await Call(ours.Member("node-b"));
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_THAT(refused.error().ToString(),
                AllOf(StartsWith("cannot call 'https://127.0.0.1:"),
                      HasSubstr("'node-a' is signed by another authority, 'Their authority'")));
    EXPECT_THAT(peers, IsEmpty());
  });
}

TEST_F(TlsTest, AServerOfAnotherNameIsNotBelieved) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const auto refused = co_await Call(ours.Member("node-b"), {.name = "node-c"});
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("it is 'node-a', not 'node-c'"));
    const TlsExpectation another = {.name = "node-a", .fingerprint = std::string(64, '0')};
    EXPECT_THAT((co_await Call(ours.Member("node-b"), another)).error().ToString(),
                HasSubstr("'node-a' with another certificate"));
    const auto by_host = co_await Call(ours.Member("node-b"), {.host = "127.0.0.1"});
    EXPECT_EQ(by_host.error().code(), Code::kDenied) << "it is made out to no host";
  });
}

TEST_F(TlsTest, APinnedAuthorityIsTheOnlyOneThatCounts) {
  TlsOptions options = ours.Member("node-a");
  options.of_clients = ClientCertificate::kNotAsked;
  Listen(options);
  Run([&]() -> asio::awaitable<void> {
    const auto print = [](const Authority& of) {
      return Certificate::Parse(of.certificate)->fingerprint;
    };
    // Who knows nothing but the fingerprint.
    EXPECT_TRUE(co_await Call({}, {.authority = print(ours)}));
    const auto other = co_await Call({}, {.authority = print(theirs)});
    EXPECT_EQ(other.error().code(), Code::kDenied);
    EXPECT_THAT(other.error().ToString(), HasSubstr("another authority"));
    // The fingerprint of the server's own certificate is no authority's.
    const auto own = Certificate::Parse(options.certificate)->fingerprint;
    EXPECT_EQ((co_await Call({}, {.authority = own})).error().code(), Code::kDenied);
  });
}

TEST_F(TlsTest, TimesOfCertificatesCount) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    Certification old = Authority::Wanted("node-b", MakeKey());
    old.until = Authority::Now() - 1min;
    const auto expired = co_await Call(ours.Member(old));
    EXPECT_EQ(expired.error().code(), Code::kDenied);
    EXPECT_THAT(expired.error().ToString(), HasSubstr("has expired (are the clocks right?)"));
    EXPECT_THAT(peers, IsEmpty());
  });
}

TEST_F(TlsTest, AServerWhoseCertificateIsNotOfNowIsNotBelieved) {
  Certification coming = Authority::Wanted("node-a", MakeKey());
  coming.from = Authority::Now() + 30min;
  Listen(ours.Member(coming));
  Run([&]() -> asio::awaitable<void> {
    const auto refused = co_await Call(ours.Member("node-b"));
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("'node-a' begins at " + ToText(coming.from)));
  });
}

TEST_F(TlsTest, LargeBodiesGoBothWays) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const std::string body = Pattern(20'000'001);
    const auto response =
        co_await Call(ours.Member("node-b"), {}, {.method = "POST", .path = "/", .body = body});
    EXPECT_TRUE(response.value().body == body);
  });
}

TEST_F(TlsTest, BodiesAreStreamed) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    ClientOptions with;
    with.tls = Context(ours.Member("node-b"));
    Client client(loop.get_executor(), Url(), with);
    size_t size = 0;
    for (int i = 0; i < 2; ++i) {
      const auto response = co_await client.FetchStream(
          {.path = "/stream"},
          [&](const Response&, std::string_view piece) -> asio::awaitable<Result<>> {
            size += piece.size();
            co_return Result<>();
          });
      EXPECT_EQ(response.value().status, 200);
    }
    EXPECT_EQ(size, size_t{999} * 1000);
    EXPECT_EQ(server->connections(), 1U);
  });
}

// In a body that goes on to the end of its connection nothing else tells it.
TEST_F(TlsTest, AnEndIsToldFromACut) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    const TlsContext own = Context(ours.Member("node-b"));
    for (const auto& [path, last] : {std::pair("/stream", ssize_t{0}), {"/cut", -ECONNRESET}}) {
      Stream stream(loop.get_executor(), testing::ConnectTo(server->endpoints().front()), own,
                    TlsExpectation{});
      while (stream.Handshake() == -EAGAIN) co_await stream.Readable();
      EXPECT_GT(stream.Send({"GET ", path, " HTTP/1.0\r\n\r\n"}), 0);
      std::vector<char> some(100'000);
      ssize_t count = 0;
      while ((count = stream.Receive(some)) > 0 || count == -EAGAIN) {
        if (count == -EAGAIN) co_await stream.Readable();
      }
      EXPECT_EQ(count, last) << path;
    }
  });
}

TEST_F(TlsTest, HttpWithoutTlsIsToldSo) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    Peer peer = Connect();
    peer.Say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(co_await peer.HearToTheEnd(),
                AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("speaks TLS (use https://)")));
    EXPECT_THAT(peers, IsEmpty());
  });
}

TEST_F(TlsTest, GarbageEndsTheConnection) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    for (const std::string& garbage :
         {std::string("\x16\x03\x01\x00\x05hello", 10), std::string(1000, '\0'), Pattern(10'000),
          std::string("SSH-2.0-x\r\n")}) {
      Peer peer = Connect();
      peer.Say(garbage);
      peer.StopSaying();
      co_await peer.HearToTheEnd();
    }
    co_await Until(loop, [&] { return server->connections() == 0; });
    EXPECT_TRUE(co_await Call(ours.Member("node-b"))) << "others are served";
  });
}

TEST_F(TlsTest, AServerWithoutTlsIsToldFromOneWithIt) {
  Listen(ours.Member("node-a"));
  ASSERT_TRUE(server->Listen("127.0.0.1:0"));
  Run([&]() -> asio::awaitable<void> {
    ClientOptions with;
    with.tls = Context(ours.Member("node-b"));
    Client client(loop.get_executor(), "https://" + server->endpoints().back(), with);
    const auto refused = co_await client.Fetch({});
    EXPECT_EQ(refused.error().code(), Code::kInvalid);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("it speaks no TLS 1.3"));
  });
}

TEST_F(TlsTest, AHandshakeThatStallsIsCut) {
  limits.head = 200ms;
  limits.idle = 1h;
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    Peer silent = Connect();
    Stream dripping(loop.get_executor(), testing::ConnectTo(server->endpoints().front()));
    EXPECT_EQ(dripping.Send({std::string_view("\x16\x03\x01\x02\x00", 5)}), 5);
    asio::steady_timer timer(loop);
    while (dripping.Send({"\x01"}) == 1) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    EXPECT_THAT(co_await silent.HearToTheEnd(), IsEmpty());
  });
}

TEST_F(TlsTest, AClientGivesUpAHandshakeInTime) {
  Fd listener = ListenOn("127.0.0.1:0").value();
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    ClientOptions with;
    with.tls = Context(ours.Member("node-b"));
    Client client(loop.get_executor(), "https://" + Address::Of(listener.get()).ToString(), with);
    EXPECT_EQ((co_await client.Fetch({}, 50ms)).error().code(), Code::kTimeout);
  });
}

TEST_F(TlsTest, ADrainEndsConnectionsInTheirHandshake) {
  Listen(ours.Member("node-a"));
  Run([&]() -> asio::awaitable<void> {
    Peer silent = Connect();
    co_await Until(loop, [&] { return server->connections() == 1; });
    co_await server->Drain(1h);
    EXPECT_THAT(co_await silent.HearToTheEnd(), IsEmpty());
  });
}

TEST_F(TlsTest, AContextNeedsWhatBelongsTogether) {
  TlsOptions options = ours.Member("node-a");
  options.key = MakeKey();
  EXPECT_THAT(TlsContext::Make(options).error().ToString(), HasSubstr("not the certificate's"));
  options.key = "nonsense";
  EXPECT_THAT(TlsContext::Make(options).error().ToString(), HasSubstr("no private key"));
  options.certificate = "nonsense";
  EXPECT_THAT(TlsContext::Make(options).error().ToString(), HasSubstr("none in PEM"));
  EXPECT_EQ(TlsContext::Make({.authorities = "nonsense"}).error().code(), Code::kInvalid);
}

TEST_F(TlsTest, WithoutAContextThereIsNoTls) {
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    Client client(loop.get_executor(), "https://127.0.0.1:1");
    EXPECT_EQ((co_await client.Fetch({})).error().code(), Code::kUnsupported);
  });
}

}  // namespace
}  // namespace godwit::http
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
