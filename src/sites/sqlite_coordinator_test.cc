// What a lone node's coordinator does beyond the contract: clocks, restarts, a newer file.
#include "sites/sqlite_coordinator.h"

#include "sites/site_fixture.h"

namespace godwit::sites {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using http::testing::RunToEnd;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;

class SqliteCoordinatorTest : public testing::Test {
 protected:
  void Run(std::function<asio::awaitable<void>(Coordinator&)> script) {
    asio::io_context loop(1);
    auto opened =
        SqliteCoordinator::Open(loop.get_executor(), path_, clock_, Log("test", LogLevel::kOff));
    ASSERT_TRUE(opened) << opened.error().ToString();
    RunToEnd(loop, [&]() -> asio::awaitable<void> {
      co_await script(**opened);
      co_await (*opened)->Close();
    });
  }
  static asio::awaitable<LeaseId> PutWithLease(Coordinator& one, Nanos ttl) {
    const Lease lease = (co_await one.GrantLease(ttl)).value();
    EXPECT_TRUE(
        (co_await one.Commit({}, {{.key = "/a", .value = "1", .lease = lease.id}})).value());
    co_return lease.id;
  }
  static asio::awaitable<bool> Has(Coordinator& one) {
    co_return (co_await one.Get("/a")).value().has_value();
  }

  storage::TestDirectory directory_;
  std::string path_ = directory_ / "coordinator.db";
  TestClock clock_;
};

TEST_F(SqliteCoordinatorTest, ALeaseEndsByTheSteadyClockAlone) {
  Run([this](Coordinator& one) -> asio::awaitable<void> {
    const LeaseId lease = co_await PutWithLease(one, 600s);
    clock_.wall_step = 10h;
    EXPECT_TRUE(co_await Has(one));
    clock_.wall_step = -10h;
    clock_.steady_step = 590s;
    EXPECT_TRUE(co_await Has(one));
    EXPECT_TRUE((co_await one.KeepAlive(lease)).has_value());
    clock_.steady_step = 1180s;
    EXPECT_TRUE(co_await Has(one));
    clock_.steady_step = 1200s;
    EXPECT_FALSE(co_await Has(one));
    EXPECT_EQ((co_await one.KeepAlive(lease)).error().code(), Code::kNotFound);
  });
}

TEST_F(SqliteCoordinatorTest, OverARestartTheWallClockCountsAndAtMostTheWholeTime) {
  Run([](Coordinator& one) -> asio::awaitable<void> { co_await PutWithLease(one, 600s); });
  clock_.wall_step = 300s;
  Run([this](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE(co_await Has(one));
    clock_.steady_step = 301s;
    EXPECT_FALSE(co_await Has(one));
  });
  clock_.wall_step = {};
  Run([](Coordinator& one) -> asio::awaitable<void> { co_await PutWithLease(one, 600s); });
  clock_.wall_step = -10h;  // the wall clock says that ten hours are left
  Run([this](Coordinator& one) -> asio::awaitable<void> {
    EXPECT_TRUE(co_await Has(one));
    clock_.steady_step += 601s;
    EXPECT_FALSE(co_await Has(one));
  });
}

TEST_F(SqliteCoordinatorTest, AFileOfANewerProgramIsRefused) {
  {
    storage::Database database = storage::Database::Open(path_).value();
    ASSERT_TRUE(database.Execute("PRAGMA user_version = 99"));
  }
  asio::io_context loop(1);
  const auto opened =
      SqliteCoordinator::Open(loop.get_executor(), path_, clock_, Log("test", LogLevel::kOff));
  EXPECT_EQ(opened.error().code(), Code::kUnsupported);
}

TEST(HistoryTest, EventsAreTakenInOrderOfTheirRevisionsHoweverTheyCome) {
  asio::io_context loop(1);
  History history(loop.get_executor(), 5, 3);
  history.Add(7, {{"/b", "2", 7}});
  EXPECT_EQ(history.newest(), 5);
  EXPECT_TRUE(history.From("/", 6)->empty());
  history.Add(6, {{"/a", "1", 6}, {"/c", "1", 6}});
  EXPECT_EQ(history.newest(), 7);
  EXPECT_EQ(history.From("/", 6)->size(), 3u);
  EXPECT_EQ(history.From("/b", 6)->size(), 1u);
  EXPECT_EQ(history.From("/", 5), std::nullopt);
  // One more than it keeps: of revision 6 nothing is left, not even what would fit.
  history.Add(8, {{"/a", "3", 8}});
  EXPECT_EQ(history.From("/", 6), std::nullopt);
  EXPECT_EQ(history.From("/", 7)->size(), 2u);
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::sites
