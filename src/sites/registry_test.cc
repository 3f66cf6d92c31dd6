#include "sites/registry.h"

#include "sites/registry_keys.h"
#include "sites/site_fixture.h"

namespace godwit::sites {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kId = "i-3f9a0c51b2";

template <typename World>
class RegistryTest : public SiteFixture<World> {};
TYPED_TEST_SUITE(RegistryTest, Worlds, WorldNames);

TYPED_TEST(RegistryTest, ANameIsTakenOnceAndFreeAfterwards) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    const Member a = this->MemberNamed("a");
    this->network_->lose_answers = 1;
    EXPECT_TRUE((co_await site.AddMember(a)).has_value());
    EXPECT_TRUE((co_await site.AddMember(a)).has_value());
    Member thief = a;
    thief.fingerprint = "another";
    const auto taken = co_await site.AddMember(thief);
    EXPECT_EQ(taken.error().code(), Code::kConflict);
    EXPECT_THAT(taken.error().reason(), HasSubstr("a:9001"));
    EXPECT_EQ((co_await site.FindMember("a")).value(), a);
    EXPECT_THAT((co_await site.Members()).value().all, ElementsAre(a));
    this->network_->lose_answers = 1;
    EXPECT_TRUE((co_await site.RemoveMember("a")).has_value());
    EXPECT_EQ((co_await site.RemoveMember("a")).error().code(), Code::kNotFound);
    EXPECT_EQ((co_await site.UpdateMember(a)).error().code(), Code::kStale);
    EXPECT_TRUE((co_await site.AddMember(thief)).has_value());
    thief.address = "elsewhere:1";
    EXPECT_TRUE((co_await site.UpdateMember(thief)).has_value());
    EXPECT_EQ((co_await site.FindMember("a")).value()->address, "elsewhere:1");
    for (const char* name : {"", "-a", "a-", "A", "a.b", "a/b"}) {
      EXPECT_EQ((co_await site.AddMember(this->MemberNamed(name))).error().code(), Code::kInvalid);
    }
  });
}

TYPED_TEST(RegistryTest, ATokenIsTakenByOneWhoMayAskAgain) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    this->network_->lose_answers = 1;
    EXPECT_TRUE((co_await site.PutToken("00ff", 3600s)).has_value());
    EXPECT_EQ((co_await site.TakeToken("00fe", "a")).error().code(), Code::kDenied);
    this->network_->lose_answers = 1;
    EXPECT_TRUE((co_await site.TakeToken("00ff", "a")).has_value());
    EXPECT_EQ((co_await site.TakeToken("00ff", "b")).error().code(), Code::kDenied);
    EXPECT_TRUE((co_await site.TakeToken("00ff", "a")).has_value());
  });
}

TYPED_TEST(RegistryTest, ATokenEndsAlsoWhenItWasTaken) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.PutToken("00ff", 1s)).has_value());
    EXPECT_TRUE((co_await site.TakeToken("00ff", "a")).has_value());
    const std::string key = KeyOf("s1", kTokens, "00ff");
    while ((co_await this->real_->Get(key)).value()) {
    }
    EXPECT_EQ((co_await site.TakeToken("00ff", "a")).error().code(), Code::kDenied);
  });
}

TYPED_TEST(RegistryTest, AFunctionIsChangedByWhoSawItsRevision) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    SharedFunction one{.name = "greeter", .revision = "r1", .json = "{}"};
    this->network_->lose_answers = 1;
    EXPECT_TRUE((co_await site.PutFunction(one, "")).has_value());
    EXPECT_EQ((co_await site.PutFunction(one, "")).error().code(), Code::kStale);
    SharedFunction two{.name = "greeter", .revision = "r2", .json = "{\"x\":1}"};
    EXPECT_EQ((co_await site.PutFunction(two, "r0")).error().code(), Code::kStale);
    EXPECT_TRUE((co_await site.PutFunction(two, "r1")).has_value());
    EXPECT_EQ((co_await site.FindFunction("greeter")).value(), two);
    EXPECT_THAT((co_await site.Functions()).value().all, ElementsAre(two));
    EXPECT_TRUE((co_await site.RemoveFunction("greeter")).has_value());
    EXPECT_TRUE((co_await site.RemoveFunction("greeter")).has_value());
    EXPECT_EQ((co_await site.FindFunction("greeter")).value(), std::nullopt);
  });
}

TYPED_TEST(RegistryTest, AnInstanceHasOneOwnerAndItsEpochGrows) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    InstanceRecord now = (co_await site.Claim(this->Instance("a"))).value();
    EXPECT_EQ(now.epoch, 1);
    EXPECT_EQ((co_await site.Claim(this->Instance("b"))).error().code(), Code::kConflict);
    now.sequence = 7;
    now.replicas = {"b", "c"};
    EXPECT_TRUE((co_await site.Update(now)).has_value());
    InstanceRecord older = now;
    older.sequence = 6;
    EXPECT_EQ((co_await site.Update(older)).error().code(), Code::kStale);
    EXPECT_EQ((co_await site.Renew(kId, "a", 1)).value().epoch, 2);
    const auto late = co_await site.Transfer(kId, "a", 1, "b");
    EXPECT_EQ(late.error().code(), Code::kStale);
    EXPECT_THAT(late.error().reason(), HasSubstr("owned by 'a' at epoch 2, not by 'a' at 1"));
    const InstanceRecord moved = (co_await site.Transfer(kId, "a", 2, "b")).value();
    EXPECT_EQ(moved.owner, "b");
    EXPECT_EQ(moved.epoch, 3);
    EXPECT_EQ(moved.sequence, 7);
    EXPECT_EQ((co_await site.Update(now)).error().code(), Code::kStale);
    EXPECT_EQ((co_await site.Renew(kId, "a", 2)).error().code(), Code::kStale);
    EXPECT_EQ((co_await site.Forget(kId, "a", 2)).error().code(), Code::kStale);
    EXPECT_EQ((co_await site.FindInstance(kId)).value(), moved);
    EXPECT_THAT((co_await site.InstancesOf("b")).value().all, ElementsAre(moved));
    EXPECT_THAT((co_await site.InstancesOf("a")).value().all, testing::IsEmpty());
    EXPECT_TRUE((co_await site.Forget(kId, "b", 3)).has_value());
    EXPECT_TRUE((co_await site.Forget(kId, "b", 3)).has_value());
    EXPECT_EQ((co_await site.Transfer(kId, "b", 3, "a")).error().code(), Code::kStale);
  });
}

TYPED_TEST(RegistryTest, EachChangeSurvivesALostAnswerAndALostCommit) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    for (int* lost : {&this->network_->lose_answers, &this->network_->lose_commits}) {
      *lost = 1;
      EXPECT_EQ((co_await site.Claim(this->Instance("a"))).value().epoch, 1);
      *lost = 1;
      EXPECT_EQ((co_await site.Renew(kId, "a", 1)).value().epoch, 2);
      *lost = 1;
      EXPECT_EQ((co_await site.Transfer(kId, "a", 2, "b")).value().epoch, 3);
      *lost = 1;
      EXPECT_EQ((co_await site.TakeOver(kId, "b", 3, "c")).value().epoch, 4);
      *lost = 1;
      EXPECT_TRUE((co_await site.Forget(kId, "c", 4)).has_value());
      EXPECT_EQ(*lost, 0);
    }
  });
}

TYPED_TEST(RegistryTest, WhoGetsNoAnswerIsToldSoAndMayAskAgain) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    this->network_->lose_answers = 100;
    this->network_->before_commit = [this]() -> Answer<> {
      this->network_->away = true;
      co_return Result<>();
    };
    EXPECT_EQ((co_await site.Transfer(kId, "a", 1, "b")).error().code(), Code::kUnavailable);
    this->network_->away = false;
    this->network_->lose_answers = 0;
    EXPECT_EQ((co_await site.Transfer(kId, "a", 1, "b")).value().epoch, 2);
  });
}

// The source has waited for the target's commit in vain, and goes on: then that arrives.
TYPED_TEST(RegistryTest, ACommitThatArrivesAfterTheSourceRenewedHasNoEffect) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    // The target's first commit is on its way, and none of the next gets through.
    this->network_->hold_commits = 1;
    this->network_->lose_commits_then = 100;
    EXPECT_EQ((co_await site.Transfer(kId, "a", 1, "b")).error().code(), Code::kUnavailable);
    this->network_->lose_commits = 0;
    const auto source = (co_await site.Renew(kId, "a", 1)).value();
    EXPECT_EQ(source.epoch, 2);
    EXPECT_FALSE((co_await this->network_->Deliver()).value());
    EXPECT_EQ((co_await site.FindInstance(kId)).value(), source);
  });
}

TYPED_TEST(RegistryTest, OfTwoWhoActAtOnceOneWinsAndTheOtherLearnsIt) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    int64_t epoch = 1;
    std::string owner = "a";
    for (int round = 0; round < 20; ++round) {
      std::vector<std::string> winners;
      Gate racers(this->loop_->get_executor());
      const auto race = [&](std::string to) -> asio::awaitable<void> {
        const auto moved = co_await site.TakeOver(kId, owner, epoch, to);
        if (moved) winners.push_back(to);
        if (!moved) EXPECT_EQ(moved.error().code(), Code::kStale);
      };
      EXPECT_TRUE(racers.Spawn(race("b" + std::to_string(round))));
      EXPECT_TRUE(racers.Spawn(race("c" + std::to_string(round))));
      co_await racers.Drain();
      EXPECT_EQ(winners.size(), 1u);
      const auto now = (co_await site.FindInstance(kId)).value().value();
      EXPECT_EQ(now.owner, winners.front());
      EXPECT_EQ(now.epoch, ++epoch);
      owner = now.owner;
    }
  });
}

TYPED_TEST(RegistryTest, WhoLivesIsNotTakenOverFromAndWhoDiesIs) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    const Lease lease = (co_await this->real_->GrantLease(1s)).value();
    const std::string alive = KeyOf("s1", kAlive, "a");
    EXPECT_TRUE(
        (co_await this->real_->Commit({}, {{.key = alive, .value = "{}", .lease = lease.id}}))
            .value());
    EXPECT_THAT((co_await site.Alive()).value(), ElementsAre("a"));
    const auto refused = co_await site.TakeOver(kId, "a", 1, "b");
    EXPECT_EQ(refused.error().code(), Code::kBusy) << refused.error().ToString();
    std::optional<bool> lives;
    std::vector<std::string> gone;
    EXPECT_TRUE(this->gate_->Spawn(site.WatchAlive(
        {.all = [&](const std::set<std::string>& all) { lives = all.contains("a"); },
         .changed =
             [&](const std::string& name, bool now) {
               if (!now) gone.push_back(name);
             }})));
    co_await this->Until([&] { return !gone.empty() || lives == false; });
    co_await this->gate_->Close();
    EXPECT_EQ((co_await site.TakeOver(kId, "a", 1, "b")).value().epoch, 2);
  });
}

TYPED_TEST(RegistryTest, WatchersAreToldAllThenEachChangeAndAllAgainAfterAGap) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    std::vector<std::string> told;
    // So much happens between its list and its watch that the watch comes too late.
    this->network_->before_watch = [&]() -> Answer<> {
      GODWIT_CO_TRY(co_await site.Renew(kId, "a", 1));
      co_return co_await this->world_.Compact(*this->real_);
    };
    EXPECT_TRUE(this->gate_->Spawn(site.WatchInstances(
        {.all =
             [&](const std::vector<InstanceRecord>& all) {
               std::string owners = "all";
               for (const auto& one : all) owners += fmt::format(" {}@{}", one.owner, one.epoch);
               told.push_back(owners);
             },
         .changed =
             [&](const std::string& id, const std::optional<InstanceRecord>& now) {
               told.push_back(now ? now->owner : id + " gone");
             }})));
    co_await this->Until([&] { return told.size() == 2; });
    EXPECT_TRUE((co_await site.Transfer(kId, "a", 2, "b")).has_value());
    EXPECT_TRUE((co_await site.Forget(kId, "b", 3)).has_value());
    co_await this->Until([&] { return told.size() == 4; });
    co_await this->gate_->Close();
    EXPECT_THAT(told, ElementsAre("all a@1", "all a@2", "b", std::string(kId) + " gone"));
  });
}

TYPED_TEST(RegistryTest, WhatANewerProgramWroteIsLeftAloneAndTheRestIsRead) {
  this->Run([this](Registry& site) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await site.Claim(this->Instance("a"))).has_value());
    const auto put = [&](std::string name, std::string value) -> asio::awaitable<void> {
      EXPECT_TRUE((co_await this->real_->Commit(
                       {}, {{.key = KeyOf("s1", kInstances, name), .value = value}}))
                      .value());
    };
    co_await put("i-0000000001", R"({"version":2,"id":"i-0000000001","rows":[]})");
    co_await put("i-0000000002", "nonsense");
    const auto found = (co_await site.Instances()).value();
    EXPECT_EQ(found.all.size(), 1u);
    EXPECT_EQ(found.unreadable.size(), 2u);
    EXPECT_EQ((co_await site.FindInstance("i-0000000001")).error().code(), Code::kUnsupported);
    EXPECT_EQ((co_await site.Renew("i-0000000001", "a", 1)).error().code(), Code::kUnsupported);
    EXPECT_EQ((co_await site.FindInstance("i-0000000002")).error().code(), Code::kCorrupt);
    EXPECT_EQ((co_await site.Transfer("i-0000000002", "a", 1, "b")).error().code(), Code::kCorrupt);
  });
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::sites
