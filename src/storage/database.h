#pragma once

// The node's metadata: one SQLite file in WAL mode, every commit durable before it returns.
//
// A thin owner: SQL stays SQL. Foreign keys are enforced; tables should be STRICT. `sqlite3 FILE`
// may look at it at any time. Threads: one at a time, of any; the node's is owned by the Journal.
// Failure: kNoSpace, kCorrupt, kBusy (after 5 s), kConflict for a constraint, kDenied, kInternal.
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "storage/statement.h"

namespace godwit::storage {

class Database {
 public:
  // Makes the file, mode 0600, if there is none.
  static Result<Database> Open(const std::string& path);

  // Runs any number of statements without parameters, and drops their rows.
  Result<> Execute(std::string_view sql);
  Result<Statement> Prepare(std::string_view sql);
  // Prepares at the first call, hands out the same statement, reset, at each later one. It is the
  // database's: two uses of one text at the same time get in each other's way.
  Result<Statement*> Cached(std::string_view sql);
  // Ends what cached statements still read, so that no read stands in the way of a checkpoint.
  void ResetCached();

  // Outside of any transaction. SQLite leaves one by itself when the disk is full, for instance.
  bool InAutocommit() const;
  // What the last INSERT gave, and how many rows the last statement changed.
  int64_t LastRowId() const;
  int64_t Changes() const;

 private:
  struct Closed {
    void operator()(sqlite3* database) const;
  };

  explicit Database(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Closed> database_;
  std::map<std::string, Statement, std::less<>> cache_;
};

}  // namespace godwit::storage
