#pragma once

// The order of all that the node must remember: changes to the database, committed in groups.
//
// A durable commit costs a flush of the disk, a millisecond or more. What arrives while one is
// under way therefore shares the next one, so that throughput grows with load. A Note() is for what
// may be lost with the power, such as a state that the next start would find out anyway: it rides
// along. Everything runs in the order in which it came, on one thread that owns the database.
// Threads: any; an awaitable goes on on its caller's executor. A change runs on the journal's
// thread: it must not wait for the journal, and what it captures must live until it ran.
// Cancellation does not reach a Write or Read that has begun. Lifetime: closed before the loops of
// those who wait. Failure: a change that fails is undone alone and fails alone; a commit that fails
// (kNoSpace) fails all in its group, which are undone; the journal goes on. kClosing after Close().
#include <boost/asio/awaitable.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "storage/database.h"

namespace godwit::storage {

class Journal {
 public:
  using Change = std::function<Result<>(Database&)>;

  Journal(Database database, Log log);
  ~Journal();  // closes
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Returns when the change is durable.
  boost::asio::awaitable<Result<>> Write(Change change);
  // The same, blocking: for start-up, where there is no loop yet.
  Result<> WriteNow(Change change);
  // Costs the caller a push into a queue. Done with the next Write, or within 100 ms; an error is
  // logged.
  void Note(Change change);
  // Runs `query`, which gives a Result<T> or nothing, after all that came before is committed.
  template <typename Query>
  auto Read(Query query) {
    return ReadAs<std::invoke_result_t<Query&, Database&>>(std::move(query));
  }

  // Returns when all that came before is durable, or says why it is not.
  Result<> Flush();
  // Does what is queued, then stops. May be called twice.
  void Close();

 private:
  using Done = std::move_only_function<void(Result<>)>;
  enum class Kind { kWrite, kNote, kRead };
  struct Item {
    Kind kind;
    Change change;
    Done done;  // none for a Note
  };

  template <typename Answer, typename Query>
    requires(!std::is_void_v<Answer>)
  boost::asio::awaitable<Answer> ReadAs(Query query) {
    std::optional<Answer> answer;
    Result<> ran = co_await Submit(Kind::kRead, [&answer, &query](Database& database) -> Result<> {
      answer.emplace(query(database));
      return {};
    });
    if (!ran) co_return std::unexpected(std::move(ran).error());
    co_return *std::move(answer);
  }
  template <typename Answer, typename Query>
    requires std::is_void_v<Answer>
  boost::asio::awaitable<Result<>> ReadAs(Query query) {
    co_return co_await Submit(Kind::kRead, [&query](Database& database) -> Result<> {
      query(database);
      return {};
    });
  }

  boost::asio::awaitable<Result<>> Submit(Kind kind, Change change);
  void Enqueue(Item item);
  void Run();
  void Work(std::span<Item> batch);
  // Commits `group` as one transaction and answers; returns what of its front that was.
  std::span<Item> Commit(std::span<Item> group);
  void Answer(std::span<Item> group, std::span<Result<>> results);

  Database database_;  // the journal's thread
  Log log_;
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::vector<Item> queue_;  // guarded by mutex_, as is all that follows but the thread
  bool urgent_ = false;      // somebody waits for what is queued
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace godwit::storage
