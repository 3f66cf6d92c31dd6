#include "sites/presence.h"

#include "sites/registry_keys.h"
#include "sites/site_fixture.h"

namespace godwit::sites {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using testing::ElementsAre;

template <typename World>
class PresenceTest : public SiteFixture<World> {
 protected:
  // A node's presence, and what it was told.
  struct Node {
    Node(PresenceTest& test, Registry& site, std::string holder)
        : presence(test.loop_->get_executor(), site, clock, Log("test", LogLevel::kOff),
                   {"a", std::move(holder)},
                   {.lost = [this] { told.emplace_back("lost"); },
                    .back = [this] { told.emplace_back("back"); }},
                   2s) {}
    TestClock clock;
    std::vector<std::string> told;
    Presence presence;
  };
  Answer<bool> Lives() {
    GODWIT_CO_TRY(const auto entry, co_await this->real_->Get(KeyOf("s1", kAlive, "a")));
    co_return entry.has_value();
  }
  asio::awaitable<void> UntilGone() {
    while ((co_await Lives()).value()) {
    }
  }
};
TYPED_TEST_SUITE(PresenceTest, Worlds, WorldNames);

TYPED_TEST(PresenceTest, AMemberLivesUntilItLeaves) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.AddMember(this->MemberNamed("a"))).has_value());
    typename TestFixture::Node node(*this, site, "run 1");
    EXPECT_FALSE(node.presence.held());
    EXPECT_TRUE(node.presence.Start());
    co_await this->Until([&] { return node.presence.held() && !node.told.empty(); });
    EXPECT_TRUE((co_await this->Lives()).value());
    // Each is a third of the lease later.
    co_await this->Until([&] { return this->network_->beats == 5; });
    EXPECT_TRUE(node.presence.held());
    EXPECT_THAT(node.told, ElementsAre("back"));
    co_await node.presence.Leave();
    EXPECT_FALSE((co_await this->Lives()).value());
    EXPECT_FALSE(node.presence.held());
  });
}

TYPED_TEST(PresenceTest, WhoIsCutOffKnowsItBeforeAnybodyElseAndComesBack) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.AddMember(this->MemberNamed("a"))).has_value());
    typename TestFixture::Node node(*this, site, "run 1");
    std::vector<std::string> seen;
    Registry others(*this->real_, "s1", Log("test", LogLevel::kOff));
    EXPECT_TRUE(node.presence.Start());
    co_await this->Until([&] { return node.presence.held(); });
    EXPECT_TRUE(this->gate_->Spawn(others.WatchAlive({.all = [](const auto&) {},
                                                      .changed =
                                                          [&](const std::string&, bool now) {
                                                            if (!now)
                                                              seen.emplace_back(node.presence.held()
                                                                                    ? "too early"
                                                                                    : "in time");
                                                          }})));
    this->network_->away = true;
    co_await this->Until([&] { return !seen.empty(); });
    EXPECT_THAT(seen, ElementsAre("in time"));
    EXPECT_THAT(node.told, ElementsAre("back", "lost"));
    this->network_->away = false;
    co_await this->Until([&] { return node.told.size() == 3; });
    EXPECT_THAT(node.told, ElementsAre("back", "lost", "back"));
    EXPECT_TRUE((co_await this->Lives()).value());
    co_await this->gate_->Close();
    co_await node.presence.Leave();
  });
}

TYPED_TEST(PresenceTest, TheWallClockMayStepAndAPauseOfTheProcessIsSeenAtOnce) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.AddMember(this->MemberNamed("a"))).has_value());
    typename TestFixture::Node node(*this, site, "run 1");
    EXPECT_TRUE(node.presence.Start());
    co_await this->Until([&] { return node.presence.held(); });
    node.clock.wall_step = 10h;
    EXPECT_TRUE(node.presence.held());
    node.clock.wall_step = -10h;
    EXPECT_TRUE(node.presence.held());
    node.clock.steady_step = 1h;
    EXPECT_FALSE(node.presence.held());
    co_await this->Until([&] { return node.told.size() == 3; });
    EXPECT_THAT(node.told, ElementsAre("back", "lost", "back"));
    co_await node.presence.Leave();
  });
}

TYPED_TEST(PresenceTest, OneOfTwoWithOneNameLivesAndARestartTakesItsOwnPlace) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.AddMember(this->MemberNamed("a"))).has_value());
    typename TestFixture::Node node(*this, site, "store 1");
    EXPECT_TRUE(node.presence.Start());
    co_await this->Until([&] { return node.presence.held(); });
    LossyCoordinator elsewhere(*this->real_);
    Registry site_elsewhere(elsewhere, "s1", Log("test", LogLevel::kOff));
    typename TestFixture::Node twin(*this, site_elsewhere, "store 2");
    EXPECT_TRUE(twin.presence.Start());
    // Two for each try: the member, and who lives.
    co_await this->Until([&] { return elsewhere.looks >= 6; });
    EXPECT_FALSE(twin.presence.held());
    co_await node.presence.Stop();  // as if it were killed: its lease goes on
    typename TestFixture::Node again(*this, site, "store 1");
    EXPECT_TRUE(again.presence.Start());
    co_await this->Until([&] { return again.presence.held(); });
    EXPECT_TRUE(twin.told.empty());
    co_await again.presence.Stop();
    co_await this->Until([&] { return twin.presence.held(); });
    co_await twin.presence.Leave();
  });
}

TYPED_TEST(PresenceTest, WhoIsEvictedLosesItsLeaseAndGetsNoOther) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.AddMember(this->MemberNamed("a"))).has_value());
    typename TestFixture::Node node(*this, site, "run 1");
    EXPECT_TRUE(node.presence.Start());
    co_await this->Until([&] { return node.presence.held() && !node.told.empty(); });
    EXPECT_TRUE((co_await site.RemoveMember("a")).has_value());
    EXPECT_FALSE((co_await this->Lives()).value());
    co_await this->Until([&] { return node.told.size() == 2; });
    EXPECT_THAT(node.told, ElementsAre("back", "lost"));
    EXPECT_FALSE((co_await this->Lives()).value());
    co_await node.presence.Leave();
  });
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::sites
