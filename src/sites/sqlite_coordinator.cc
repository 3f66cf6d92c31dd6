#include "sites/sqlite_coordinator.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/try.h"
#include "sites/limits.h"
#include "sites/sqlite_entries.h"

namespace godwit::sites {

namespace asio = boost::asio;
using storage::Database;

namespace {

// When the disk did not let a lease's keys go.
constexpr Nanos kAgain = std::chrono::seconds(1);

}  // namespace

Result<SqliteCoordinator::Opened> SqliteCoordinator::OpenFile(const std::string& path,
                                                              WallTime now) {
  GODWIT_TRY(Database database, Database::Open(path));
  GODWIT_TRY(MakeTables(database).Within("cannot use '{}'", path));
  GODWIT_TRY(auto left, ReadLeases(database, now));
  GODWIT_TRY(const int64_t revision, ReadRevision(database));
  return Opened{std::move(database), revision, std::move(left)};
}

Result<std::unique_ptr<SqliteCoordinator>> SqliteCoordinator::Open(asio::any_io_executor executor,
                                                                   const std::string& path,
                                                                   const Clock& clock, Log log,
                                                                   size_t events) {
  GODWIT_TRY(Opened opened, OpenFile(path, clock.Wall()));
  auto made = std::unique_ptr<SqliteCoordinator>(
      new SqliteCoordinator(std::move(executor), std::move(opened), clock, std::move(log), events));
  GODWIT_TRY(made->Begin());
  return made;
}

SqliteCoordinator::SqliteCoordinator(asio::any_io_executor executor, Opened opened,
                                     const Clock& clock, Log log, size_t events)
    : executor_(std::move(executor)),
      clock_(clock),
      log_(std::move(log)),
      history_(executor_, opened.revision, events),
      next_end_(executor_),
      journal_(std::move(opened.database), log_),
      gate_(executor_) {
  const SteadyTime now = clock_.Steady();
  for (const auto& [id, left] : opened.left) leases_[id] = {now + left, left};
}

Result<> SqliteCoordinator::Begin() { return gate_.Spawn(Run()); }

Answer<std::optional<Entry>> SqliteCoordinator::Get(std::string key) {
  GODWIT_CO_TRY(CheckKey(key));
  GODWIT_CO_TRY(EndDue());
  co_return co_await journal_.Read([&](Database& database) { return ReadEntry(database, key); });
}

Answer<Listing> SqliteCoordinator::List(std::string prefix) {
  GODWIT_CO_TRY(EndDue());
  co_return co_await journal_.Read(
      [&](Database& database) { return ReadEntries(database, prefix); });
}

Answer<bool> SqliteCoordinator::Commit(std::vector<Compare> compares, std::vector<Change> changes) {
  GODWIT_CO_TRY(CheckCommit(compares, changes));
  GODWIT_CO_TRY(EndDue());
  Committed committed;
  GODWIT_CO_TRY(co_await journal_.Write([&](Database& database) -> Result<> {
    GODWIT_TRY(committed, DoCommit(database, compares, changes));
    return {};
  }));
  if (committed.revision != 0) history_.Add(committed.revision, std::move(committed.events));
  co_return committed.done;
}

Answer<Lease> SqliteCoordinator::GrantLease(Nanos ttl) {
  if (ttl <= Nanos::zero()) co_return Fail(Code::kInvalid, "a lease must last");
  GODWIT_CO_TRY(EndDue());
  LeaseId id;
  const WallTime ends = clock_.Wall() + ttl;
  GODWIT_CO_TRY(co_await journal_.Write([&](Database& database) -> Result<> {
    GODWIT_TRY(id, AddLease(database, ends, ttl));
    return {};
  }));
  leases_[id] = {clock_.Steady() + ttl, ttl};
  next_end_.cancel();
  co_return Lease{id, ttl};
}

Answer<Nanos> SqliteCoordinator::KeepAlive(LeaseId lease) {
  GODWIT_CO_TRY(EndDue());
  const auto found = leases_.find(lease);
  if (found == leases_.end() || found->second.ended)
    co_return Fail(Code::kNotFound, "the lease {} has ended", lease.number);
  found->second.ends = clock_.Steady() + found->second.ttl;
  co_return found->second.ttl;
}

Answer<> SqliteCoordinator::RevokeLease(LeaseId lease) {
  GODWIT_CO_TRY(EndDue());
  const auto found = leases_.find(lease);
  if (found == leases_.end() || found->second.ended) co_return Result<>();
  found->second.ended = true;
  co_return co_await End(lease);
}

Answer<> SqliteCoordinator::Watch(std::string prefix, int64_t from, Sink sink) {
  GODWIT_CO_TRY(EndDue());
  if (from <= 0) co_return Fail(Code::kInvalid, "a watch begins at a revision");
  for (int64_t next = from; !history_.stopped();) {
    const auto events = history_.From(prefix, next);
    if (!events) {
      co_return Fail(Code::kStale, "what happened at revision {} is not known any more", next);
    }
    next = std::max(next, history_.newest() + 1);
    if (!events->empty()) sink(*events);
    if (history_.newest() < next) co_await history_.News();
  }
  co_return Fail(Code::kClosing, "the coordinator is closed");
}

asio::awaitable<void> SqliteCoordinator::Close() {
  history_.Stop();
  co_await gate_.Close();
}

Result<> SqliteCoordinator::EndDue() {
  const SteadyTime now = clock_.Steady();
  std::vector<LeaseId> due;
  for (auto& [id, held] : leases_) {
    if (held.ends > now) continue;
    held.ended = true;
    held.ends = now + kAgain;
    due.push_back(id);
  }
  // Each has its place in the journal's order when it is begun.
  for (const LeaseId id : due) GODWIT_TRY(gate_.Spawn(EndLater(id)));
  return {};
}

asio::awaitable<void> SqliteCoordinator::EndLater(LeaseId lease) {
  const Result<> ended = co_await End(lease);
  if (!ended) log_.Warning("cannot end the lease {}: {}", lease.number, ended.error().ToString());
}

Answer<> SqliteCoordinator::End(LeaseId lease) {
  Committed committed;
  GODWIT_CO_TRY(co_await journal_.Write([&](Database& database) -> Result<> {
    GODWIT_TRY(committed, DropLease(database, lease));
    return {};
  }));
  leases_.erase(lease);
  if (committed.revision != 0) history_.Add(committed.revision, std::move(committed.events));
  co_return Result<>();
}

asio::awaitable<void> SqliteCoordinator::Run() {
  while (EndDue()) {
    auto wait = asio::steady_timer::duration::max();
    const SteadyTime now = clock_.Steady();
    for (const auto& [id, held] : leases_) wait = std::min(wait, held.ends - now);
    if (leases_.empty()) {
      next_end_.expires_at(asio::steady_timer::time_point::max());
    } else {
      next_end_.expires_after(std::max(wait, Nanos(std::chrono::milliseconds(1))));
    }
    co_await next_end_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace godwit::sites
