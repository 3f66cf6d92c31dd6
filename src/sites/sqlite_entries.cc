#include "sites/sqlite_entries.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.h"
#include "sites/prefix.h"
#include "storage/migrations.h"

namespace godwit::sites {
namespace {

using storage::BlobView;
using storage::Database;
using storage::Statement;

constexpr std::array kMigrations = {storage::Migration{1, "entries and leases", R"sql(
CREATE TABLE now (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), revision INTEGER NOT NULL) STRICT;
INSERT INTO now VALUES (1, 0);
CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ends_ns INTEGER NOT NULL,
  ttl_ns INTEGER NOT NULL) STRICT;
CREATE TABLE entry (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL,
  lease INTEGER REFERENCES lease (id)) STRICT, WITHOUT ROWID;
CREATE INDEX entry_lease ON entry (lease) WHERE lease IS NOT NULL;
)sql"}};

Result<bool> Holds(Database& database, const Compare& compare) {
  GODWIT_TRY(const std::optional<Entry> entry, ReadEntry(database, compare.key));
  if (compare.revision && *compare.revision != (entry ? entry->revision : 0)) return false;
  return !compare.value || (entry && entry->value == *compare.value);
}

Result<int64_t> NextRevision(Database& database) {
  GODWIT_TRY(Statement * next,
             database.Cached("UPDATE now SET revision = revision + 1 RETURNING revision"));
  GODWIT_TRY(const bool found, next->Step());
  if (!found) return Fail(Code::kCorrupt, "the coordinator's database has no revision");
  const int64_t revision = next->Int(0);
  GODWIT_TRY(next->Run());
  return revision;
}

Result<> CheckLease(Database& database, LeaseId lease) {
  GODWIT_TRY(Statement * find, database.Cached("SELECT 1 FROM lease WHERE id = ?"));
  find->BindAll(lease.number);
  GODWIT_TRY(const bool found, find->Step());
  if (!found) return Fail(Code::kNotFound, "the lease {} has ended", lease.number);
  return {};
}

Result<> Put(Database& database, const Change& change, int64_t revision) {
  std::optional<int64_t> lease;
  if (change.lease) {
    GODWIT_TRY(CheckLease(database, *change.lease));
    lease = change.lease->number;
  }
  GODWIT_TRY(Statement * put, database.Cached("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)"));
  put->BindAll(BlobView{change.key}, BlobView{*change.value}, revision, lease);
  return put->Run();
}

Result<bool> Delete(Database& database, const std::string& key) {
  GODWIT_TRY(Statement * drop, database.Cached("DELETE FROM entry WHERE key = ?"));
  drop->BindAll(BlobView{key});
  GODWIT_TRY(drop->Run());
  return database.Changes() > 0;
}

}  // namespace

Result<> MakeTables(Database& database) { return storage::Migrate(database, kMigrations); }

Result<int64_t> ReadRevision(Database& database) {
  GODWIT_TRY(Statement * read, database.Cached("SELECT revision FROM now"));
  GODWIT_TRY(const bool found, read->Step());
  if (!found) return Fail(Code::kCorrupt, "the coordinator's database has no revision");
  return read->Int(0);
}

Result<std::optional<Entry>> ReadEntry(Database& database, const std::string& key) {
  GODWIT_TRY(Statement * find, database.Cached("SELECT value, revision FROM entry WHERE key = ?"));
  find->BindAll(BlobView{key});
  GODWIT_TRY(const bool found, find->Step());
  if (!found) return std::nullopt;
  return Entry{key, std::string(find->Blob(0)), find->Int(1)};
}

Result<Listing> ReadEntries(Database& database, const std::string& prefix) {
  Listing listing;
  GODWIT_TRY(listing.revision, ReadRevision(database));
  GODWIT_TRY(Statement * find,
             database.Cached("SELECT key, value, revision FROM entry WHERE key >= ?1"
                             " AND (?2 IS NULL OR key < ?2) ORDER BY key"));
  const std::optional<std::string> end = EndOfPrefix(prefix);
  find->Bind(1, BlobView{prefix});
  if (end) find->Bind(2, BlobView{*end});
  while (true) {
    GODWIT_TRY(const bool found, find->Step());
    if (!found) return listing;
    listing.entries.push_back(
        {std::string(find->Blob(0)), std::string(find->Blob(1)), find->Int(2)});
  }
}

Result<Committed> DoCommit(Database& database, const std::vector<Compare>& compares,
                           const std::vector<Change>& changes) {
  Committed committed;
  for (const auto& compare : compares) {
    GODWIT_TRY(const bool holds, Holds(database, compare));
    if (!holds) return committed;
  }
  committed.done = true;
  std::vector<const Change*> effective;
  for (const auto& change : changes) {
    if (!change.value) {
      GODWIT_TRY(const bool was_there, Delete(database, change.key));
      if (!was_there) continue;
    }
    effective.push_back(&change);
  }
  if (effective.empty()) return committed;
  GODWIT_TRY(committed.revision, NextRevision(database));
  for (const auto* change : effective) {
    if (change->value) GODWIT_TRY(Put(database, *change, committed.revision));
    committed.events.push_back({change->key, change->value, committed.revision});
  }
  return committed;
}

Result<LeaseId> AddLease(Database& database, WallTime ends, Nanos ttl) {
  GODWIT_TRY(Statement * add, database.Cached("INSERT INTO lease (ends_ns, ttl_ns) VALUES (?, ?)"));
  add->BindAll(ends.since_epoch.count(), ttl.count());
  GODWIT_TRY(add->Run());
  return LeaseId{database.LastRowId()};
}

Result<Committed> DropLease(Database& database, LeaseId lease) {
  std::vector<Change> changes;
  GODWIT_TRY(Statement * find, database.Cached("SELECT key FROM entry WHERE lease = ?"));
  find->BindAll(lease.number);
  while (true) {
    GODWIT_TRY(const bool found, find->Step());
    if (!found) break;
    changes.push_back({std::string(find->Blob(0))});
  }
  GODWIT_TRY(Committed committed, DoCommit(database, {}, changes));
  GODWIT_TRY(Statement * drop, database.Cached("DELETE FROM lease WHERE id = ?"));
  drop->BindAll(lease.number);
  GODWIT_TRY(drop->Run());
  return committed;
}

Result<std::map<LeaseId, Nanos>> ReadLeases(Database& database, WallTime now) {
  std::map<LeaseId, Nanos> left;
  GODWIT_TRY(Statement * find, database.Cached("SELECT id, ends_ns, ttl_ns FROM lease"));
  while (true) {
    GODWIT_TRY(const bool found, find->Step());
    if (!found) return left;
    const WallTime ends{Nanos(find->Int(1))};
    left[LeaseId{find->Int(0)}] = std::clamp(ends - now, Nanos::zero(), Nanos(find->Int(2)));
  }
}

}  // namespace godwit::sites
