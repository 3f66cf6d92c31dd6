#include "storage/journal.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <future>

#include "base/try.h"

namespace godwit::storage {

namespace asio = boost::asio;

namespace {

constexpr auto kNotePause = std::chrono::milliseconds(100);
// So many notes are not kept waiting, whatever the clock says.
constexpr size_t kManyNotes = 4096;

Error Closing() {
  return {Code::kClosing, "cannot write to the journal: it is closed (the node is stopping)"};
}

}  // namespace

Journal::Journal(Database database, Log log)
    : database_(std::move(database)), log_(std::move(log)), thread_([this] { Run(); }) {}

Journal::~Journal() { Close(); }

asio::awaitable<Result<>> Journal::Write(Change change) {
  return Submit(Kind::kWrite, std::move(change));
}

asio::awaitable<Result<>> Journal::Submit(Kind kind, Change change) {
  const auto back = co_await asio::this_coro::executor;
  // What is queued refers to the caller's frame, which therefore may not be left early.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<> result = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<>)>(
      [this, kind, &back, &change](auto handler) {
        auto busy = asio::prefer(back, asio::execution::outstanding_work.tracked);
        Enqueue({kind, std::move(change),
                 [handler = std::move(handler), busy](Result<> answer) mutable {
                   asio::post(busy,
                              [handler = std::move(handler), answer = std::move(answer)]() mutable {
                                std::move(handler)(std::move(answer));
                              });
                 }});
      },
      asio::use_awaitable);
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

Result<> Journal::WriteNow(Change change) {
  std::promise<Result<>> promise;
  auto answer = promise.get_future();
  Enqueue({Kind::kWrite, std::move(change),
           [&promise](Result<> result) { promise.set_value(std::move(result)); }});
  return answer.get();
}

void Journal::Note(Change change) { Enqueue({Kind::kNote, std::move(change), nullptr}); }

Result<> Journal::Flush() {
  return WriteNow([](Database&) -> Result<> { return {}; });
}

void Journal::Close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wanted_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Journal::Enqueue(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if (!closing_) {
      const bool was_urgent = urgent_;
      urgent_ = urgent_ || item.kind != Kind::kNote || queue_.size() >= kManyNotes;
      const bool wake = queue_.empty() || urgent_ != was_urgent;
      queue_.push_back(std::move(item));
      if (wake) wanted_.notify_one();
      return;
    }
  }
  if (item.done) {
    item.done(std::unexpected(Closing()));
  } else {
    log_.Warning("a note was lost: {}", Closing().ToString());
  }
}

void Journal::Run() {
  std::vector<Item> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    wanted_.wait_for(lock, kNotePause, [&] { return closing_ || urgent_; });
    if (queue_.empty()) return;
    batch.swap(queue_);
    urgent_ = false;
    lock.unlock();
    Work(batch);
    batch.clear();
    lock.lock();
  }
}

void Journal::Work(std::span<Item> batch) {
  while (!batch.empty()) {
    if (batch.front().kind == Kind::kRead) {
      batch.front().done(batch.front().change(database_));
      batch = batch.subspan(1);
    } else {
      size_t count = 1;
      while (count < batch.size() && batch[count].kind != Kind::kRead) ++count;
      batch = batch.subspan(Commit(batch.first(count)).size());
    }
    database_.ResetCached();
  }
}

std::span<Journal::Item> Journal::Commit(std::span<Item> group) {
  std::vector<Result<>> results;
  results.reserve(group.size());
  const auto run = [&](std::string_view sql) -> Result<> {
    GODWIT_TRY(Statement * statement, database_.Cached(sql));
    return statement->Run();
  };
  Result<> whole = run("BEGIN IMMEDIATE");
  const bool begun = whole.has_value();
  while (whole && results.size() < group.size()) {
    whole = run("SAVEPOINT change");
    if (!whole) break;
    Result<>& result = results.emplace_back(group[results.size()].change(database_));
    if (database_.InAutocommit()) {
      // A full disk, for one, ends the transaction on the spot, and with it all changes so far.
      whole = result ? Fail(Code::kInternal, "a change ended the journal's transaction") : result;
    } else {
      if (!result) whole = run("ROLLBACK TO change");
      if (whole) whole = run("RELEASE change");
    }
  }
  if (begun && !whole) group = group.first(std::max<size_t>(results.size(), 1));
  if (whole) whole = run("COMMIT");
  if (!whole) {
    if (!database_.InAutocommit()) static_cast<void>(run("ROLLBACK"));
    results.assign(group.size(), std::unexpected(whole.error()));
  }
  Answer(group, results);
  return group;
}

void Journal::Answer(std::span<Item> group, std::span<Result<>> results) {
  size_t lost = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    if (group[i].done) {
      group[i].done(std::move(results[i]));
    } else if (!results[i] && lost++ == 0) {
      log_.Error("cannot keep a note: {}", results[i].error().ToString());
    }
  }
  if (lost > 1) log_.Error("cannot keep {} more notes of the same group", lost - 1);
}

}  // namespace godwit::storage
