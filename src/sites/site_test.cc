#include "sites/site.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "base/try.h"
#include "http/certificate.h"
#include "sites/join.h"
#include "sites/sqlite_coordinator.h"
#include "storage/test_directory.h"

// Each script is kept by whoever runs it until it has ended, and with it what it captured.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
namespace godwit::sites {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A node of a site as far as this folder goes: its site, at a port of its own.
struct TestNode {
  TestNode(asio::io_context& loop, const Identity& identity, std::string data, Registry& registry,
           const Clock& clock, Entropy& entropy, Fd socket)
      : site(Site::Make(loop.get_executor(), identity, std::move(data), registry, clock, entropy,
                        "0.1", Log("test", LogLevel::kOff))
                 .value()),
        server(
            loop.get_executor(),
            [this](http::Request request) { return site->Handle(std::move(request)); },
            Site::PortLimits(size_t{8} << 20), Log("test", LogLevel::kOff)) {
    site->Serve("/site/v1/echo",
                [](http::Request request, std::string peer) -> asio::awaitable<http::Response> {
                  co_return http::Text(200, peer + " says " + request.body);
                });
    if (!server.Listen(std::move(socket), site->ServerTls())) std::abort();
  }

  std::unique_ptr<Site> site;
  http::Server server;
};

// Sites whose nodes share a coordinator in this process.
struct SiteTest : ::testing::Test {
  SiteTest() {
    coordinator = SqliteCoordinator::Open(loop.get_executor(), data / "coordinator.db", clock,
                                          Log("test", LogLevel::kOff))
                      .value();
  }

  static std::string AddressOf(const Fd& socket) {
    return http::Address::Of(socket.get()).ToString();
  }
  // The first node of a new site.
  asio::awaitable<TestNode*> Begin(std::string name, std::string coordinated = "etcd://h:1") {
    Fd socket = http::ListenOn("127.0.0.1:0").value();
    const Identity made =
        MakeSite(std::move(name), AddressOf(socket), std::move(coordinated), entropy, clock.Wall())
            .value();
    registries.push_back(
        std::make_unique<Registry>(*coordinator, made.site, Log("test", LogLevel::kOff)));
    const auto added = co_await registries.back()->AddMember({.name = made.name,
                                                              .address = made.address,
                                                              .fingerprint = made.fingerprint(),
                                                              .version = "0.1",
                                                              .joined = clock.Wall()});
    EXPECT_TRUE(added);
    co_return co_await Run(made, "unused", std::move(socket));
  }
  asio::awaitable<TestNode*> Run(Identity identity, std::string store, Fd socket) {
    nodes.push_back(std::make_unique<TestNode>(loop, identity, std::move(store), *registries.back(),
                                               clock, entropy, std::move(socket)));
    EXPECT_TRUE(nodes.back()->site->Start());
    const auto said = co_await nodes.back()->site->Announce();
    if (!said) ADD_FAILURE() << said.error().ToString();
    co_return nodes.back().get();
  }
  // As `godwit site join` does it.
  asio::awaitable<Result<Identity>> Join(std::string store, std::string name, std::string address,
                                         std::string token, std::string host) {
    co_return co_await Offload(
        pool, [=, this] { return JoinSite({data / store, name, address, "0.1"}, token, host); });
  }
  asio::awaitable<std::string> Token(Site& site, Nanos ttl = 1h) {
    co_return (co_await site.MakeToken(ttl)).value().ToString();
  }
  void Play(std::function<asio::awaitable<void>()> script) {
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
          co_await script();
          for (const auto& node : nodes) co_await node->site->Stop();
          for (const auto& node : nodes) co_await node->server.Drain(Nanos::zero());
          co_await coordinator->Close();
        },
        [](std::exception_ptr escaped) {
          if (escaped) std::rethrow_exception(escaped);
        });
    loop.run();
    pool.join();
  }

  asio::io_context loop{1};
  Pool pool{1};
  storage::TestDirectory data;
  SystemClock clock;
  SystemEntropy entropy;
  std::unique_ptr<SqliteCoordinator> coordinator;
  std::vector<std::unique_ptr<Registry>> registries;
  std::vector<std::unique_ptr<TestNode>> nodes;
};

TEST_F(SiteTest, ANodeJoinsAndTheTwoKnowEachOther) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    Fd socket = http::ListenOn("127.0.0.1:0").value();
    const auto joined = co_await Join("b", "b", AddressOf(socket), co_await Token(*a.site),
                                      a.site->identity().address);
    if (!joined) {
      ADD_FAILURE() << joined.error().ToString();
      co_return;
    }
    const Identity found = LoadIdentity(data / "b").value();
    EXPECT_EQ(found.site_key, a.site->identity().site_key);
    EXPECT_EQ(found.ca_key, a.site->identity().ca_key);
    TestNode& b = *co_await Run(found, data / "b", std::move(socket));
    for (int i = 0; i < 3; ++i) {
      const auto there = co_await a.site->peers().Fetch(
          "b", {.method = "POST", .target = "/site/v1/echo", .body = "hi"});
      EXPECT_EQ(there.value().body, "a says hi");
    }
    EXPECT_EQ(b.server.connections(), 1U) << "it is kept";
    const auto back = co_await b.site->peers().Fetch("a", {.target = "/site/v1/echo"});
    EXPECT_EQ(back.value().body, "b says ");
    EXPECT_THAT((co_await b.site->List()).value(), SizeIs(2));
    const auto nobody = co_await a.site->peers().Fetch("c", {});
    EXPECT_EQ(nobody.error().code(), Code::kNotFound);
    EXPECT_THAT(nobody.error().ToString(), HasSubstr("cannot call node 'c'"));
    // Its certificate lets nobody else speak for it.
    const auto nothing = co_await b.site->peers().Fetch("a", {.target = "/site/v1/nothing"});
    EXPECT_EQ(nothing.value().status, 404);
  });
}

TEST_F(SiteTest, ATokenLetsOneNodeInOnce) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    const std::string host = a.site->identity().address;
    const std::string token = co_await Token(*a.site);
    EXPECT_TRUE(co_await Join("b", "b", "127.0.0.1:1", token, host));
    const auto again = co_await Join("c", "c", "127.0.0.1:2", token, host);
    EXPECT_EQ(again.error().code(), Code::kDenied);
    EXPECT_THAT(again.error().ToString(), HasSubstr("the token has been used"));
    EXPECT_FALSE(HasSite(data / "c"));
    const auto twice = co_await Join("b", "d", "127.0.0.1:2", token, host);
    EXPECT_EQ(twice.error().code(), Code::kConflict) << "that store is in a site";
  });
}

TEST_F(SiteTest, ATokenThatIsWrongOrHasEndedLetsNobodyIn) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    const std::string host = a.site->identity().address;
    JoinToken token = JoinToken::Parse(co_await Token(*a.site)).value();
    token.secret[0] ^= 1;
    const auto wrong = co_await Join("b", "b", "127.0.0.1:1", token.ToString(), host);
    EXPECT_EQ(wrong.error().code(), Code::kDenied);
    EXPECT_THAT(wrong.error().ToString(), HasSubstr("the token is wrong"));
    const std::string brief = co_await Token(*a.site, 1s);
    asio::steady_timer timer(loop);
    Result<Identity> late = Fail(Code::kInternal, "");
    // Until the lease has ended, whenever that is, its holder may come.
    const JoinToken ends = JoinToken::Parse(brief).value();
    while (clock.Wall() < WallTime{std::chrono::seconds(ends.ends)} + 100ms) {
      timer.expires_after(20ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    late = co_await Join("b", "b", "127.0.0.1:1", brief, host);
    EXPECT_EQ(late.error().code(), Code::kDenied);
    EXPECT_THAT(late.error().ToString(),
                AllOf(HasSubstr("the token has ended at"), HasSubstr("godwit site token")));
  });
}

TEST_F(SiteTest, ANewcomerKnowsTheSiteByItsToken) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& ours = *co_await Begin("a");
    const std::string token = co_await Token(*ours.site);
    TestNode& other = *co_await Begin("a");
    const auto refused =
        co_await Join("b", "b", "127.0.0.1:1", token, other.site->identity().address);
    EXPECT_EQ(refused.error().code(), Code::kDenied);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("signed by another authority"));
  });
}

TEST_F(SiteTest, ANameIsTakenOnce) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    const std::string host = a.site->identity().address;
    const std::string token = co_await Token(*a.site);
    const auto refused = co_await Join("b", "a", "127.0.0.1:1", token, host);
    EXPECT_EQ(refused.error().code(), Code::kConflict);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("the name 'a' is taken by the node at"));
    EXPECT_TRUE(co_await Join("b", "b", "127.0.0.1:1", token, host)) << "that cost no token";
    EXPECT_EQ((co_await Join("c", "B!", "127.0.0.1:1", token, host)).error().code(),
              Code::kInvalid);
  });
}

TEST_F(SiteTest, ALoneNodesSiteTakesNobody) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a", "sqlite");
    const auto none = co_await a.site->MakeToken(1h);
    EXPECT_EQ(none.error().code(), Code::kUnsupported);
    const auto token = JoinToken::Make(a.site->identity().ca_fingerprint(), entropy, clock.Wall());
    const auto refused =
        co_await Join("b", "b", "127.0.0.1:1", token.ToString(), a.site->identity().address);
    EXPECT_EQ(refused.error().code(), Code::kUnsupported);
    EXPECT_THAT(refused.error().ToString(), HasSubstr("--coordinator etcd://HOST:PORT"));
  });
}

TEST_F(SiteTest, WhoIsEvictedIsRefusedAndKnowsIt) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    Fd socket = http::ListenOn("127.0.0.1:0").value();
    const auto joined = co_await Join("b", "b", AddressOf(socket), co_await Token(*a.site),
                                      a.site->identity().address);
    TestNode& b = *co_await Run(joined.value(), data / "b", std::move(socket));
    EXPECT_EQ((co_await a.site->Evict("a")).error().code(), Code::kInvalid);
    EXPECT_TRUE(co_await a.site->Evict("b"));
    EXPECT_EQ((co_await a.site->Evict("b")).error().code(), Code::kNotFound);
    asio::steady_timer timer(loop);
    int status = 200;
    while (status == 200) {  // until the watch has told
      const auto refused = co_await b.site->peers().Fetch("a", {.target = "/site/v1/echo"});
      status = refused.value().status;
      if (status != 200) EXPECT_THAT(refused->body, HasSubstr("'b' is no member of this site"));
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    EXPECT_EQ(status, 403);
    EXPECT_EQ((co_await b.site->Announce()).error().code(), Code::kDenied);
    EXPECT_EQ((co_await a.site->peers().Fetch("b", {})).error().code(), Code::kNotFound);
    // It has nothing more to lose by leaving.
    EXPECT_TRUE(co_await b.site->Leave());
    EXPECT_FALSE(HasSite(data / "b"));
  });
}

TEST_F(SiteTest, WhoLeavesIsForgotten) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    Fd socket = http::ListenOn("127.0.0.1:0").value();
    const std::string address = AddressOf(socket);
    const auto joined =
        co_await Join("b", "b", address, co_await Token(*a.site), a.site->identity().address);
    TestNode& b = *co_await Run(joined.value(), data / "b", std::move(socket));
    EXPECT_TRUE(co_await b.site->Leave());
    EXPECT_THAT((co_await a.site->List()).value(), SizeIs(1));
    EXPECT_EQ((co_await b.site->Leave()).error().code(), Code::kConflict);
    EXPECT_TRUE(
        co_await Join("b", "b", address, co_await Token(*a.site), a.site->identity().address))
        << "and may come again";
  });
}

TEST_F(SiteTest, AStrangerMayJoinAndNothingElse) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    http::ClientOptions options;
    options.tls = http::TlsContext::Make({}).value();
    options.expected.authority = a.site->identity().ca_fingerprint();
    http::Client stranger(loop.get_executor(), "https://" + a.site->identity().address, options);
    const auto refused = co_await stranger.Fetch({.target = "/site/v1/echo"});
    EXPECT_EQ(refused.value().status, 403);
    const auto junk =
        co_await stranger.Fetch({.method = "POST", .target = "/site/v1/join", .body = "{}"});
    EXPECT_EQ(junk.value().status, 400);
    const auto large = co_await stranger.Fetch(
        {.method = "POST", .target = "/site/v1/echo", .body = std::string(100'000, 'x')});
    EXPECT_EQ(large.value().status, 413);
  });
}

// Who has the authority's key can make certificates; who is a member, the registry says.
TEST_F(SiteTest, ACertificateThatNobodyKnowsOfIsNoMembers) {
  Play([&]() -> asio::awaitable<void> {
    TestNode& a = *co_await Begin("a");
    for (const std::string name : {"a", "z"}) {
      Identity forged = a.site->identity();
      forged.name = name;
      forged.key = http::MakeKey();
      forged.certificate =
          CertifyNode(forged, name, http::PublicKeyOf(forged.key).value(), clock.Wall()).value();
      http::ClientOptions options;
      options.tls = http::TlsContext::Make(forged.Tls()).value();
      http::Client client(loop.get_executor(), "https://" + a.site->identity().address, options);
      const auto refused = co_await client.Fetch({.target = "/site/v1/echo"});
      EXPECT_EQ(refused.value().status, 403);
      EXPECT_THAT(refused->body,
                  HasSubstr(name == "a" ? "shows another certificate" : "is no member"));
    }
  });
}

}  // namespace
}  // namespace godwit::sites
// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
