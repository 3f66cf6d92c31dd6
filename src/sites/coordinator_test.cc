// The contract of coordinator.h, held by both implementations.
#include "sites/coordinator.h"

#include <gmock/gmock.h>

#include "base/gate.h"
#include "http/testing.h"
#include "sites/site_fixture.h"

namespace godwit::sites {
namespace {

// Run() keeps each script until it has ended.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using http::testing::Until;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;

Change Put(std::string key, std::string value, std::optional<LeaseId> lease = {}) {
  return {.key = std::move(key), .value = std::move(value), .lease = lease};
}
Change Delete(std::string key) { return {.key = std::move(key)}; }
Compare Absent(std::string key) { return {.key = std::move(key), .revision = 0}; }
Compare At(std::string key, int64_t revision) {
  return {.key = std::move(key), .revision = revision};
}
Compare Has(std::string key, std::string value) {
  return {.key = std::move(key), .value = std::move(value)};
}

std::vector<std::string> KeysOf(const Listing& listing) {
  std::vector<std::string> keys;
  for (const auto& entry : listing.entries) keys.push_back(entry.key);
  return keys;
}

template <typename World>
class CoordinatorTest : public testing::Test {
 protected:
  void Run(std::function<asio::awaitable<void>(Coordinator&)> script) {
    asio::io_context loop(1);
    loop_ = &loop;
    const std::unique_ptr<Coordinator> coordinator = world_.Open(loop);
    Gate gate(loop.get_executor());
    gate_ = &gate;
    http::testing::RunToEnd(loop, [&]() -> asio::awaitable<void> {
      co_await script(*coordinator);
      co_await gate.Close();
      co_await coordinator->Close();
    });
  }

  // A watch in the background: what it was told, and how it ended.
  struct Watcher {
    std::vector<std::string> told;
    std::vector<int64_t> revisions;
    std::optional<Result<>> ended;
  };
  void Watch(Coordinator& coordinator, std::string prefix, int64_t from, Watcher& watcher) {
    ASSERT_TRUE(gate_->Spawn(Follow(coordinator, std::move(prefix), from, watcher)));
  }
  static asio::awaitable<void> Follow(Coordinator& coordinator, std::string prefix, int64_t from,
                                      Watcher& watcher) {
    watcher.ended =
        co_await coordinator.Watch(std::move(prefix), from, [&](const std::vector<Event>& events) {
          for (const auto& event : events) {
            watcher.told.push_back(event.key + (event.value ? "=" + *event.value : " gone"));
            watcher.revisions.push_back(event.revision);
          }
        });
  }
  asio::awaitable<void> UntilTold(const Watcher& watcher, size_t count) {
    co_await Until(*loop_, [&] { return watcher.told.size() >= count || watcher.ended; });
  }

  World world_;
  asio::io_context* loop_ = nullptr;
  Gate* gate_ = nullptr;
};

TYPED_TEST_SUITE(CoordinatorTest, Worlds, WorldNames);

TYPED_TEST(CoordinatorTest, WhatIsPutIsThereAndWhatIsDeletedIsNot) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    const auto first = (co_await one.Get("/a")).value();
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "2"), Put("/b", "")})).value());
    const auto second = (co_await one.Get("/a")).value();
    EXPECT_EQ(first.value().value, "1");
    EXPECT_EQ(second.value().value, "2");
    EXPECT_GT(second->revision, first->revision);
    const auto other = (co_await one.Get("/b")).value();
    EXPECT_EQ(other.value().value, "");
    EXPECT_EQ(other->revision, second->revision);
    EXPECT_TRUE((co_await one.Commit({}, {Delete("/a"), Delete("/not-there")})).value());
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
  });
}

TYPED_TEST(CoordinatorTest, ACommitIsDoneIfAllHoldsElseNothingOfIt) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await one.Commit({Absent("/a")}, {Put("/a", "1")})).value());
    EXPECT_FALSE((co_await one.Commit({Absent("/a")}, {Put("/a", "2"), Put("/c", "2")})).value());
    const int64_t revision = (co_await one.Get("/a")).value()->revision;
    EXPECT_FALSE(
        (co_await one.Commit({At("/a", revision), Has("/a", "2")}, {Delete("/a")})).value());
    EXPECT_FALSE((co_await one.Commit({At("/a", revision + 1)}, {Delete("/a")})).value());
    EXPECT_FALSE((co_await one.Commit({Has("/none", "")}, {Put("/c", "3")})).value());
    EXPECT_FALSE((co_await one.Commit({At("/none", 1)}, {Put("/c", "3")})).value());
    EXPECT_EQ((co_await one.Get("/a")).value()->value, "1");
    EXPECT_EQ((co_await one.Get("/c")).value(), std::nullopt);
    EXPECT_TRUE((co_await one.Commit({At("/a", revision), Has("/a", "1"), Absent("/c")},
                                     {Put("/c", "4"), Delete("/a")}))
                    .value());
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
    EXPECT_EQ((co_await one.Get("/c")).value()->value, "4");
  });
}

TYPED_TEST(CoordinatorTest, KeysAndValuesAreBytes) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    const std::string key("/\0\xff\xc3\x28", 5);
    std::string value;
    for (int i = 0; i < 256; ++i) value += static_cast<char>(i);
    EXPECT_TRUE((co_await one.Commit({Absent(key)}, {Put(key, value)})).value());
    EXPECT_EQ((co_await one.Get(key)).value()->value, value);
    EXPECT_TRUE((co_await one.Commit({Has(key, value)}, {Put(key + '\xff', "next")})).value());
    EXPECT_THAT(KeysOf((co_await one.List(key)).value()), ElementsAre(key, key + '\xff'));
    EXPECT_THAT(KeysOf((co_await one.List(key + '\xff')).value()), ElementsAre(key + '\xff'));
  });
}

TYPED_TEST(CoordinatorTest, AListHasAllOfItsPrefixInOrder) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_THAT((co_await one.List("/l/")).value().entries, IsEmpty());
    for (int base = 0; base < 1300; base += 50) {
      std::vector<Change> changes;
      for (int i = base; i < base + 50; ++i)
        changes.push_back(Put(fmt::format("/l/{:05}", i), "v"));
      EXPECT_TRUE((co_await one.Commit({}, changes)).value());
    }
    EXPECT_TRUE((co_await one.Commit({}, {Put("/l", ""), Put("/l0", ""), Put("/m", "")})).value());
    const Listing all = (co_await one.List("/l/")).value();
    EXPECT_EQ(all.entries.size(), 1300u);
    EXPECT_TRUE(std::ranges::is_sorted(all.entries, {}, &Entry::key));
    EXPECT_EQ(all.revision, (co_await one.Get("/m")).value()->revision);
    EXPECT_EQ((co_await one.List("")).value().entries.size(), 1303u);
  });
}

TYPED_TEST(CoordinatorTest, OfManyAtOnceEachCounts) {
  this->Run([this](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await one.Commit({}, {Put("/n", "0")})).value());
    int lost = 0;
    const auto count = [&]() -> asio::awaitable<void> {
      while (true) {
        const auto seen = (co_await one.Get("/n")).value().value();
        const auto next = std::to_string(std::stoi(seen.value) + 1);
        if ((co_await one.Commit({At("/n", seen.revision)}, {Put("/n", next)})).value()) co_return;
        ++lost;
      }
    };
    Gate counters(this->loop_->get_executor());
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(counters.Spawn(count()));
    co_await counters.Drain();
    EXPECT_EQ((co_await one.Get("/n")).value()->value, "20");
    EXPECT_GT(lost, 0);
  });
}

TYPED_TEST(CoordinatorTest, ALeaseThatIsNotKeptAliveEndsWithItsKeys) {
  this->Run([this](Coordinator& one) -> asio::awaitable<void> {
    const Lease lease = (co_await one.GrantLease(1s)).value();
    EXPECT_GE(lease.ttl, 1s);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1", lease.id), Put("/b", "1")})).value());
    EXPECT_GE((co_await one.KeepAlive(lease.id)).value(), 1s);
    typename TestFixture::Watcher watcher;
    this->Watch(one, "/", (co_await one.List("/")).value().revision + 1, watcher);
    co_await this->UntilTold(watcher, 1);
    EXPECT_THAT(watcher.told, ElementsAre("/a gone"));
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
    EXPECT_EQ((co_await one.Get("/b")).value()->value, "1");
    EXPECT_EQ((co_await one.KeepAlive(lease.id)).error().code(), Code::kNotFound);
    EXPECT_EQ((co_await one.Commit({}, {Put("/c", "1", lease.id)})).error().code(),
              Code::kNotFound);
    co_await this->gate_->Close();
  });
}

TYPED_TEST(CoordinatorTest, ALeaseThatIsGivenBackEndsAtOnceAndItsKeyMayBeFreed) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    const Lease lease = (co_await one.GrantLease(3600s)).value();
    EXPECT_TRUE(
        (co_await one.Commit({}, {Put("/a", "1", lease.id), Put("/b", "1", lease.id)})).value());
    EXPECT_TRUE((co_await one.Commit({}, {Put("/b", "stays")})).value());
    EXPECT_TRUE((co_await one.RevokeLease(lease.id)).has_value());
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
    EXPECT_EQ((co_await one.Get("/b")).value()->value, "stays");
    EXPECT_TRUE((co_await one.RevokeLease(lease.id)).has_value());
    EXPECT_EQ((co_await one.KeepAlive(lease.id)).error().code(), Code::kNotFound);
  });
}

TYPED_TEST(CoordinatorTest, AWatchTellsAllSinceItsRevisionInOrderAndEachOnce) {
  this->Run([this](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/a", "0")})).value());
    const int64_t from = (co_await one.List("/w/")).value().revision + 1;
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/a", "1"), Put("/v/a", "1")})).value());
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/b", "2"), Delete("/w/a")})).value());
    typename TestFixture::Watcher watcher;
    this->Watch(one, "/w/", from, watcher);
    co_await this->UntilTold(watcher, 3);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/c", "3")})).value());
    co_await this->UntilTold(watcher, 4);
    EXPECT_THAT(watcher.told,
                testing::UnorderedElementsAre("/w/a=1", "/w/b=2", "/w/a gone", "/w/c=3"));
    EXPECT_EQ(watcher.told.front(), "/w/a=1");
    EXPECT_EQ(watcher.told.back(), "/w/c=3");
    EXPECT_TRUE(std::ranges::is_sorted(watcher.revisions));
    EXPECT_EQ(watcher.revisions.front(), from);
    EXPECT_FALSE(watcher.ended);
    co_await this->gate_->Close();
  });
}

TYPED_TEST(CoordinatorTest, AWatchOfWhatIsCompactedSaysSoAndAListHelps) {
  this->Run([this](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/a", "0")})).value());
    const int64_t old = (co_await one.List("/w/")).value().revision;
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/a", "1")})).value());
    EXPECT_TRUE((co_await this->world_.Compact(one)).has_value());
    const auto watched = co_await one.Watch("/w/", old, [](const auto&) { ADD_FAILURE(); });
    EXPECT_EQ(watched.error().code(), Code::kStale) << watched.error().ToString();
    const Listing now = (co_await one.List("/w/")).value();
    EXPECT_EQ(now.entries.at(0).value, "1");
    typename TestFixture::Watcher watcher;
    this->Watch(one, "/w/", now.revision + 1, watcher);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/w/a", "2")})).value());
    co_await this->UntilTold(watcher, 1);
    EXPECT_THAT(watcher.told, ElementsAre("/w/a=2"));
    co_await this->gate_->Close();
  });
}

TYPED_TEST(CoordinatorTest, WhatIsTooLargeOrSenselessIsRefusedAndNothingDone) {
  this->Run([](Coordinator& one) -> asio::awaitable<void> {
    const auto code = [&](std::vector<Compare> compares,
                          std::vector<Change> changes) -> asio::awaitable<Code> {
      co_return (co_await one.Commit(compares, changes)).error().code();
    };
    EXPECT_EQ(co_await code({}, {Put("/a", "1"), Put("/big", std::string(kMaxValue + 1, 'x'))}),
              Code::kTooLarge);
    EXPECT_EQ(co_await code({}, {Put(std::string(kMaxKey + 1, 'k'), "")}), Code::kTooLarge);
    EXPECT_EQ(co_await code({}, std::vector<Change>(kMaxChanges + 1, Put("/a", "1"))),
              Code::kTooLarge);
    EXPECT_EQ(co_await code({}, {Put("/a", "1"), Delete("/a")}), Code::kInvalid);
    EXPECT_EQ(co_await code({}, {Put("", "1")}), Code::kInvalid);
    EXPECT_EQ(co_await code({Compare{.key = "/a"}}, {Put("/a", "1")}), Code::kInvalid);
    EXPECT_EQ((co_await one.GrantLease(0s)).error().code(), Code::kInvalid);
    EXPECT_EQ((co_await one.Watch("/", 0, [](const auto&) {})).error().code(), Code::kInvalid);
    EXPECT_EQ((co_await one.Get("/a")).value(), std::nullopt);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/big", std::string(kMaxValue, 'x'))})).value());
    EXPECT_EQ((co_await one.Get("/big")).value()->value.size(), kMaxValue);
  });
}

TYPED_TEST(CoordinatorTest, EverythingIsStillThereWhenItIsOpenedAgain) {
  int64_t revision = 0;
  this->Run([&](Coordinator& one) -> asio::awaitable<void> {
    const Lease lease = (co_await one.GrantLease(3600s)).value();
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1"), Put("/b", "2", lease.id)})).value());
    revision = (co_await one.Get("/a")).value()->revision;
  });
  this->Run([&](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_EQ((co_await one.Get("/a")).value()->revision, revision);
    EXPECT_EQ((co_await one.Get("/b")).value()->value, "2");
    EXPECT_TRUE((co_await one.Commit({At("/a", revision)}, {Put("/a", "3")})).value());
    EXPECT_GT((co_await one.Get("/a")).value()->revision, revision);
  });
}

TYPED_TEST(CoordinatorTest, CloseEndsWatchesAndWhatComesAfterIsRefused) {
  this->Run([this](Coordinator& one) -> asio::awaitable<void> {
    typename TestFixture::Watcher watcher;
    this->Watch(one, "/", 1, watcher);
    EXPECT_TRUE((co_await one.Commit({}, {Put("/a", "1")})).value());
    co_await this->UntilTold(watcher, 1);
    co_await one.Close();
    co_await Until(*this->loop_, [&] { return watcher.ended.has_value(); });
    EXPECT_EQ(watcher.ended->error().code(), Code::kClosing) << watcher.ended->error().ToString();
  });
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::sites
