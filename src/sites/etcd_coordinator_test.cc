// What etcd may do to who uses it: be away, be silent, come back, ask who one is, answer nonsense.
#include "sites/etcd_coordinator.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/gate.h"
#include "http/testing.h"
#include "http/tls_testing.h"
#include "sites/etcd_server.h"
#include "sites/presence.h"

namespace godwit::sites {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using http::testing::RunToEnd;
using http::testing::Until;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;

// Nobody listens there.
constexpr auto kNowhere = "http://127.0.0.1:1";

Change Put(std::string key, std::string value) {
  return {.key = std::move(key), .value = std::move(value)};
}

EtcdOptions OptionsFor(std::vector<std::string> endpoints, Nanos patience = 3s) {
  EtcdOptions options;
  options.endpoints = std::move(endpoints);
  options.patience = patience;
  return options;
}

TEST(EtcdCoordinatorTest, WhereNobodyAnswersItSaysWhoWasAskedAndTheWayOut) {
  asio::io_context loop(1);
  EtcdCoordinator one(loop.get_executor(), OptionsFor({kNowhere, "http://127.0.0.1:2"}));
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    const auto got = co_await one.Get("/a");
    EXPECT_EQ(got.error().code(), Code::kUnavailable);
    EXPECT_THAT(got.error().reason(), HasSubstr("http://127.0.0.1:1"));
    EXPECT_THAT(got.error().reason(), HasSubstr("http://127.0.0.1:2"));
    EXPECT_THAT(got.error().reason(), HasSubstr("--coordinator"));
    EXPECT_EQ((co_await one.Commit({}, {Put("/a", "1")})).error().code(), Code::kUnavailable);
    EXPECT_EQ((co_await one.Watch("/", 1, [](const auto&) {})).error().code(), Code::kUnavailable);
  });
}

TEST(EtcdCoordinatorTest, ItGoesOnWithTheNextEndpointForCommitsAndWatchesToo) {
  EtcdServer etcd;
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdCoordinator one(loop.get_executor(), OptionsFor({kNowhere, etcd.endpoint()}));
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    EtcdCoordinator two(loop.get_executor(), OptionsFor({kNowhere, etcd.endpoint()}));
    Gate gate(loop.get_executor());
    std::vector<std::string> told;
    EXPECT_TRUE(gate.Spawn([](auto& watched, auto& into) -> asio::awaitable<void> {
      static_cast<void>(co_await watched.Watch("/", 1, [&into](const std::vector<Event>& events) {
        for (const auto& event : events) into.push_back(event.key);
      }));
    }(two, told)));
    co_await Until(loop, [&] { return !told.empty(); });
    EXPECT_THAT(told, ElementsAre("/a"));
    co_await gate.Close();
  });
}

TEST(EtcdCoordinatorTest, ARestartIsSurvivedByReadsCommitsAndWatches) {
  EtcdServer etcd;
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdCoordinator one(loop.get_executor(), OptionsFor({etcd.endpoint()}));
    Registry site(one, "s1", Log("test", LogLevel::kOff));
    Gate gate(loop.get_executor());
    std::vector<std::string> owners;
    EXPECT_TRUE(gate.Spawn(
        site.WatchInstances({.all = [](const auto&) {},
                             .changed =
                                 [&](const std::string&, const std::optional<InstanceRecord>& now) {
                                   owners.push_back(now ? now->owner : "gone");
                                 }})));
    EXPECT_TRUE(co_await site.Claim({.id = "i-3f9a0c51b2", .owner = "a"}));
    co_await Until(loop, [&] { return owners.size() == 1; });
    etcd.Kill();
    EXPECT_EQ((co_await site.Transfer("i-3f9a0c51b2", "a", 1, "b")).error().code(),
              Code::kUnavailable);
    etcd.Start();
    EXPECT_EQ((co_await site.Transfer("i-3f9a0c51b2", "a", 1, "b")).value().epoch, 2);
    co_await Until(loop, [&] { return owners.size() == 2; });
    EXPECT_THAT(owners, ElementsAre("a", "b"));
    co_await gate.Close();
  });
}

// Its connections stay, and nothing comes: then only our own clock tells.
TEST(EtcdCoordinatorTest, ASilentEtcdCostsTheLeaseInTimeAndIsNoticedWhenItIsBack) {
  EtcdServer etcd;
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdCoordinator one(loop.get_executor(), OptionsFor({etcd.endpoint()}, 500ms));
    Registry site(one, "s1", Log("test", LogLevel::kOff));
    const SystemClock clock;
    std::vector<std::string> told;
    EXPECT_TRUE((co_await site.AddMember({.name = "a"})).has_value());
    Presence presence(
        loop.get_executor(), site, clock, Log("test", LogLevel::kOff), {"a", "1"},
        {.lost = [&] { told.emplace_back("lost"); }, .back = [&] { told.emplace_back("back"); }},
        2s);
    EXPECT_TRUE(presence.Start());
    co_await Until(loop, [&] { return told.size() == 1; });
    etcd.Pause();
    EXPECT_EQ((co_await one.Get("/a")).error().code(), Code::kUnavailable);
    co_await Until(loop, [&] { return told.size() == 2; });
    EXPECT_FALSE(presence.held());
    etcd.Continue();
    co_await Until(loop, [&] { return told.size() == 3; });
    EXPECT_THAT(told, ElementsAre("back", "lost", "back"));
    EXPECT_TRUE(presence.held());
    co_await presence.Leave();
  });
}

// A commit that etcd was too slow to answer is done all the same, or not: asking tells.
TEST(EtcdCoordinatorTest, TheTruthAboutACommitThatWasNotAnsweredIsFoundByAsking) {
  EtcdServer etcd;
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdCoordinator one(loop.get_executor(), OptionsFor({etcd.endpoint()}, 500ms));
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    etcd.Pause();
    EXPECT_EQ((co_await one.Commit({{.key = "/a", .value = "1"}}, {Put("/a", "2")})).error().code(),
              Code::kUnavailable);
    etcd.Continue();
    Result<std::optional<Entry>> now = Fail(Code::kUnavailable, "not asked yet");
    while (!now) now = co_await one.Get("/a");
    const auto again = co_await one.Commit({{.key = "/a", .value = "1"}}, {Put("/a", "2")});
    // Exactly one of the two was done.
    EXPECT_TRUE(now->value().value == "2" ? !again.value() : again.has_value());
    EXPECT_EQ((co_await one.Get("/a")).value()->value, "2");
  });
}

TEST(EtcdCoordinatorTest, AWatchThatIsAskedForAnewMissesNothingAndRepeatsNothing) {
  EtcdServer etcd;
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdOptions options = OptionsFor({etcd.endpoint()});
    options.watch_turn = 20ms;
    EtcdCoordinator one(loop.get_executor(), options);
    Gate gate(loop.get_executor());
    std::vector<std::string> told;
    EXPECT_TRUE(gate.Spawn([](auto& watched, auto& into) -> asio::awaitable<void> {
      static_cast<void>(co_await watched.Watch("/", 1, [&into](const std::vector<Event>& events) {
        for (const auto& event : events) into.push_back(*event.value);
      }));
    }(one, told)));
    std::vector<std::string> expected;
    for (int i = 0; i < 100; ++i) {
      expected.push_back(std::to_string(i));
      EXPECT_TRUE((co_await one.Commit({}, {Put("/a", expected.back())})).value());
    }
    co_await Until(loop, [&] { return told.size() >= expected.size(); });
    EXPECT_EQ(told, expected);
    co_await gate.Close();
  });
}

TEST(EtcdCoordinatorTest, AUserIsKnownAndATokenThatIsRefusedIsRenewed) {
  EtcdServer etcd;
  etcd.Ask("/v3/auth/user/add", R"({"name":"root","password":"p w"})");
  etcd.Ask("/v3/auth/role/add", R"({"name":"root"})");
  etcd.Ask("/v3/auth/user/grant", R"({"user":"root","role":"root"})");
  etcd.Ask("/v3/auth/enable", "{}");
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdCoordinator nobody(loop.get_executor(), OptionsFor({etcd.endpoint()}));
    const auto refused = co_await nobody.Get("/a");
    EXPECT_EQ(refused.error().code(), Code::kDenied) << refused.error().ToString();
    EXPECT_THAT(refused.error().reason(), HasSubstr("USER:PASSWORD"));
    EtcdOptions wrong = OptionsFor({etcd.endpoint()});
    wrong.user = "root";
    wrong.password = "other";
    EtcdCoordinator stranger(loop.get_executor(), wrong);
    EXPECT_EQ((co_await stranger.Get("/a")).error().code(), Code::kDenied);
    EXPECT_EQ((co_await stranger.Watch("/", 1, [](const auto&) {})).error().code(), Code::kDenied);

    EtcdOptions options = wrong;
    options.password = "p w";
    EtcdCoordinator one(loop.get_executor(), options);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    // Its tokens are in its memory.
    etcd.Kill();
    etcd.Start();
    EXPECT_EQ((co_await one.Get("/a")).value()->value, "1");
    etcd.Kill();
    etcd.Start();
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "2")})).value());
    etcd.Kill();
    etcd.Start();
    std::vector<std::string> told;
    Gate gate(loop.get_executor());
    EXPECT_TRUE(gate.Spawn([](auto& watched, auto& into) -> asio::awaitable<void> {
      static_cast<void>(co_await watched.Watch("/", 1, [&into](const std::vector<Event>& events) {
        for (const auto& event : events) into.push_back(*event.value);
      }));
    }(one, told)));
    co_await Until(loop, [&] { return told.size() == 2; });
    co_await gate.Close();
  });
}

TEST(EtcdCoordinatorTest, OverTlsBothSidesMustBeWhoTheyShouldBe) {
  const http::testing::Authority authority("the site");
  const http::testing::Authority other("another site");
  EtcdServer etcd(authority.Member("etcd"));
  asio::io_context loop(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    EtcdOptions options = EtcdOptions::Parse("etcds://" + etcd.authority()).value();
    EtcdCoordinator plain(loop.get_executor(), options);
    EXPECT_EQ((co_await plain.Get("/a")).error().code(), Code::kUnsupported);

    options.http.tls = http::TlsContext::Make(authority.Member("a")).value();
    EtcdCoordinator another_host(loop.get_executor(), options);
    const auto refused = co_await another_host.Get("/a");
    EXPECT_EQ(refused.error().code(), Code::kDenied) << refused.error().ToString();

    options.http.expected.name = "etcd";
    EtcdCoordinator one(loop.get_executor(), options);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    EXPECT_EQ((co_await one.Get("/a")).value()->value, "1");
    const Lease lease = (co_await one.GrantLease(5s)).value();
    EXPECT_TRUE((co_await one.KeepAlive(lease.id)).has_value());
    Gate gate(loop.get_executor());
    std::vector<std::string> told;
    EXPECT_TRUE(gate.Spawn([](auto& watched, auto& into) -> asio::awaitable<void> {
      static_cast<void>(co_await watched.Watch("/", 1, [&into](const std::vector<Event>& events) {
        for (const auto& event : events) into.push_back(*event.value);
      }));
    }(one, told)));
    co_await Until(loop, [&] { return !told.empty(); });
    co_await gate.Close();

    http::TlsOptions stranger = other.Member("a");
    stranger.authorities = authority.certificate;
    options.http.tls = http::TlsContext::Make(stranger).value();
    EtcdCoordinator foreign(loop.get_executor(), options);
    EXPECT_FALSE((co_await foreign.Get("/a")).has_value());
    options.http.tls = http::TlsContext::Make(other.Member("a")).value();
    EtcdCoordinator elsewhere(loop.get_executor(), options);
    EXPECT_EQ((co_await elsewhere.Get("/a")).error().code(), Code::kDenied);
  });
}

TEST(EtcdCoordinatorTest, AServerThatIsNoEtcdIsRefused) {
  for (const char* answer : {"<html>hello</html>", "{}",
                             R"({"header":{"revision":"1"},"kvs":[{"key":"Yg==",)"
                             R"("mod_revision":"1"}]})"}) {
    asio::io_context loop(1);
    const Fd listening = http::ListenOn("127.0.0.1:0").value();
    const std::string url = "http://" + http::Address::Of(listening.get()).ToString();
    EtcdCoordinator one(loop.get_executor(), OptionsFor({url}));
    bool answered = false;
    http::testing::Start(loop, [&]() -> asio::awaitable<void> {
      asio::posix::stream_descriptor waiting(loop, ::dup(listening.get()));
      co_await waiting.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
      http::testing::Peer peer(loop,
                               Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)));
      co_await peer.Hear(1);
      peer.Say(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                           std::string_view(answer).size(), answer));
      co_await Until(loop, [&] { return answered; });
    });
    RunToEnd(loop, [&]() -> asio::awaitable<void> {
      EXPECT_EQ((co_await one.Get("/a")).error().code(), Code::kCorrupt);
      answered = true;
    });
  }
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::sites
