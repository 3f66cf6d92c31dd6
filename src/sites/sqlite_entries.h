#pragma once

// The tables of a lone node's coordinator, and what is done to them in one transaction.
//
// Keys are BLOBs, which SQLite compares byte by byte. Threads: the database's. Failure: SQLite's;
// a function that fails leaves undoing to its caller's transaction.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sites/coordinator.h"
#include "storage/database.h"

namespace godwit::sites {

Result<> MakeTables(storage::Database& database);
Result<int64_t> ReadRevision(storage::Database& database);

Result<std::optional<Entry>> ReadEntry(storage::Database& database, const std::string& key);
Result<Listing> ReadEntries(storage::Database& database, const std::string& prefix);

struct Committed {
  bool done = false;
  int64_t revision = 0;         // zero: nothing has changed
  std::vector<Event> events{};  // of this revision
};
Result<Committed> DoCommit(storage::Database& database, const std::vector<Compare>& compares,
                           const std::vector<Change>& changes);

Result<LeaseId> AddLease(storage::Database& database, WallTime ends, Nanos ttl);
// Its keys go with it.
Result<Committed> DropLease(storage::Database& database, LeaseId lease);
// How long each lease goes on: what is left by the wall clock, at most its whole time.
Result<std::map<LeaseId, Nanos>> ReadLeases(storage::Database& database, WallTime now);

}  // namespace godwit::sites
