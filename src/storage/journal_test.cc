#include "storage/journal.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <future>

#include "base/try.h"
#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

// Run() and co_spawn() keep each script until it has ended.
// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;

Journal::Change Insert(int64_t value) {
  return [value](Database& database) -> Result<> {
    GODWIT_TRY(Statement * insert, database.Cached("INSERT INTO entry (value) VALUES (?)"));
    insert->BindAll(value);
    return insert->Run();
  };
}

Result<std::vector<int64_t>> Values(Database& database) {
  GODWIT_TRY(Statement * all, database.Cached("SELECT value FROM entry ORDER BY id"));
  std::vector<int64_t> values;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return values;
    values.push_back(all->Int(0));
  }
}

Database MakeDatabase(const std::string& path) {
  Database database = *Database::Open(path);
  if (!database.Execute("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY,"
                        " value INTEGER UNIQUE) STRICT")) {
    std::abort();
  }
  return database;
}

class JournalTest : public testing::Test {
 protected:
  // Runs the coroutine to its end on a loop of this thread.
  void Run(std::function<asio::awaitable<void>()> script) {
    asio::io_context loop(1);
    auto ended = asio::co_spawn(loop, std::move(script), asio::use_future);
    loop.run();
    ended.get();
  }
  std::vector<int64_t> Stored() { return *Values(*reopened_); }
  void Reopen() {
    journal_.Close();
    reopened_.emplace(*Database::Open(path_));
  }

  TestDirectory directory_;
  const std::string path_ = directory_ / "node.db";
  const Log log_{"test", LogLevel::kOff};
  Journal journal_{MakeDatabase(path_), log_};
  std::optional<Database> reopened_;
};

TEST_F(JournalTest, AWriteIsThereWhenItReturnsAndComesBackToItsLoop) {
  Run([&]() -> asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    std::thread::id there;
    const Result<> written = co_await journal_.Write([&](Database& database) {
      there = std::this_thread::get_id();
      return Insert(1)(database);
    });
    EXPECT_TRUE(written.has_value());
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    Database other = *Database::Open(path_);
    EXPECT_THAT(*Values(other), ElementsAre(1)) << "committed, for all to see";
  });
}

TEST_F(JournalTest, AFailingChangeFailsAloneAndIsUndoneWhole) {
  Run([&]() -> asio::awaitable<void> {
    using asio::experimental::awaitable_operators::operator&&;
    const auto [one, two, three, four] =
        co_await (journal_.Write(Insert(1)) && journal_.Write([](Database& database) -> Result<> {
          GODWIT_TRY(Insert(2)(database));
          return Fail(Code::kInvalid, "on second thoughts, no");
        }) && journal_.Write(Insert(1)) &&
                  journal_.Write(Insert(4)));
    EXPECT_TRUE(one.has_value());
    EXPECT_EQ(two.error().ToString(), "on second thoughts, no");
    EXPECT_EQ(three.error().code(), Code::kConflict);
    EXPECT_TRUE(four.has_value());
  });
  Reopen();
  EXPECT_THAT(Stored(), ElementsAre(1, 4));
}

TEST_F(JournalTest, WhatArrivesDuringACommitSharesTheNext) {
  std::promise<void> begun;
  std::promise<void> go_on;
  auto first = std::async(std::launch::async, [&] {
    return journal_.WriteNow([&](Database&) -> Result<> {
      begun.set_value();
      go_on.get_future().wait();
      return {};
    });
  });
  begun.get_future().wait();
  std::vector<bool> in_one_go;
  asio::io_context loop(1);
  for (int64_t i = 0; i < 10; ++i) {
    asio::co_spawn(
        loop,
        [&, i]() -> asio::awaitable<void> {
          EXPECT_TRUE((co_await journal_.Write([&, i](Database& database) -> Result<> {
                        Database other = *Database::Open(path_);
                        in_one_go.push_back(Values(other)->empty());
                        return Insert(i)(database);
                      })).has_value());
        },
        [](std::exception_ptr escaped) { EXPECT_FALSE(escaped); });
  }
  loop.poll();  // all ten are queued
  go_on.set_value();
  EXPECT_TRUE(first.get().has_value());
  loop.run();
  EXPECT_EQ(in_one_go, std::vector<bool>(10, true)) << "none was committed before the last came";
}

TEST_F(JournalTest, NotesKeepTheirPlace) {
  Run([&]() -> asio::awaitable<void> {
    journal_.Note(Insert(1));
    journal_.Note(Insert(2));
    EXPECT_TRUE((co_await journal_.Write(Insert(3))).has_value());
    journal_.Note(Insert(4));
    const auto values = co_await journal_.Read(Values);
    EXPECT_THAT(*values, ElementsAre(1, 2, 3, 4));
  });
}

TEST_F(JournalTest, NotesAreDoneWithoutAnyoneWaiting) {
  std::promise<void> done;
  journal_.Note([&](Database&) -> Result<> {
    done.set_value();
    return {};
  });
  done.get_future().wait();
  for (int64_t i = 0; i < 20'000; ++i) journal_.Note(Insert(i));
  EXPECT_TRUE(journal_.Flush().has_value());
  Database other = *Database::Open(path_);
  EXPECT_EQ(Values(other)->size(), 20'000u);
}

TEST_F(JournalTest, AReadGivesWhateverItsQueryGives) {
  Run([&]() -> asio::awaitable<void> {
    const Result<int> number = co_await journal_.Read([](Database&) -> Result<int> { return 7; });
    EXPECT_EQ(*number, 7);
    const Result<int> failed = co_await journal_.Read(
        [](Database&) -> Result<int> { return Fail(Code::kNotFound, "no such thing"); });
    EXPECT_EQ(failed.error().code(), Code::kNotFound);
    bool ran = false;
    EXPECT_TRUE((co_await journal_.Read([&](Database&) { ran = true; })).has_value());
    EXPECT_TRUE(ran);
  });
}

TEST_F(JournalTest, ClosingDoesWhatIsQueuedAndThenRefuses) {
  for (int64_t i = 0; i < 100; ++i) journal_.Note(Insert(i));
  journal_.Close();
  journal_.Close();
  EXPECT_EQ(journal_.WriteNow(Insert(200)).error().code(), Code::kClosing);
  EXPECT_EQ(journal_.Flush().error().code(), Code::kClosing);
  journal_.Note(Insert(201));
  Run([&]() -> asio::awaitable<void> {
    EXPECT_EQ((co_await journal_.Write(Insert(202))).error().code(), Code::kClosing);
    EXPECT_EQ((co_await journal_.Read(Values)).error().code(), Code::kClosing);
  });
  Reopen();
  EXPECT_EQ(Stored().size(), 100u);
}

TEST_F(JournalTest, AChangeThatEndsTheTransactionTakesItsGroupWithItAndNoMore) {
  EXPECT_EQ(journal_.WriteNow([](Database& database) { return database.Execute("COMMIT"); })
                .error()
                .code(),
            Code::kInternal);
  EXPECT_TRUE(journal_.WriteNow(Insert(1)).has_value());
}

TEST_F(JournalTest, AFullDiskIsSaidAndLeft) {
  TestDirectory disk;
  const auto big = [](Database& database) -> Result<> {
    GODWIT_TRY(Statement * insert, database.Cached("INSERT INTO bulk VALUES (zeroblob(200000))"));
    return insert->Run();
  };
  const bool mounted = OnSmallDisk(disk.path(), 1024, [&] {
    Database database = MakeDatabase(disk / "node.db");
    ASSERT_TRUE(database.Execute("CREATE TABLE bulk (bytes BLOB) STRICT"));
    Journal journal(std::move(database), log_);
    ASSERT_TRUE(journal.WriteNow(Insert(1)).has_value());
    int64_t kept = 0;
    Result<> full;
    while ((full = journal.WriteNow(big))) ++kept;
    EXPECT_EQ(full.error().code(), Code::kNoSpace);
    EXPECT_THAT(full.error().ToString(), HasSubstr("free some space"));
    EXPECT_GT(kept, 0);
    journal.Note(big);
    EXPECT_EQ(journal.WriteNow(big).error().code(), Code::kNoSpace);

    ASSERT_EQ(::mount("small", disk.path().c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
    EXPECT_TRUE(journal.WriteNow(big).has_value()) << "the journal goes on";
    EXPECT_TRUE(journal.WriteNow(Insert(2)).has_value());
    EXPECT_TRUE(journal
                    .WriteNow([&](Database& database2) -> Result<> {
                      EXPECT_THAT(*Values(database2), ElementsAre(1, 2));
                      GODWIT_TRY(Statement count, database2.Prepare("SELECT count(*) FROM bulk"));
                      EXPECT_TRUE(*count.Step());
                      EXPECT_EQ(count.Int(0), kept + 1) << "what failed is not there";
                      return {};
                    })
                    .has_value());
  });
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
}

// What was acknowledged survives kill -9 at any moment; what was not is there whole or not at all.
TEST_F(JournalTest, KillingTheProcessLosesNothingThatWasAcknowledged) {
  journal_.Close();
  TestDirectory store;
  int said[2];
  ASSERT_EQ(::pipe(said), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Journal journal(MakeDatabase(store / "node.db"), log_);
    for (int64_t i = 0;; ++i) {
      if (!journal.WriteNow(Insert(i))) ::_exit(1);
      static_cast<void>(::write(said[1], &i, sizeof i));
    }
  }
  ::close(said[1]);
  int64_t last = -1;
  while (last < 50) ASSERT_EQ(::read(said[0], &last, sizeof last), ssize_t{sizeof last});
  ::kill(child, SIGKILL);
  for (int64_t i = 0; ::read(said[0], &i, sizeof i) == sizeof i;) last = i;
  ::waitpid(child, nullptr, 0);
  ::close(said[0]);
  Database database = *Database::Open(store / "node.db");
  const auto values = *Values(database);
  EXPECT_GE(values.size(), static_cast<size_t>(last) + 1);
  EXPECT_LE(values.size(), static_cast<size_t>(last) + 2);
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

}  // namespace
}  // namespace godwit::storage
