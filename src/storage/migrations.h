#pragma once

// The tables of the database as a list of steps, each done once, in one transaction.
//
// A list only grows: what has been in a release is never edited, for stores in the field have done
// it already. PRAGMA user_version says how far a store is. Threads: the database's. Failure:
// kUnsupported for a store that a newer program has written; SQLite's own errors, naming the step,
// with the store as it was before that step.
#include <span>
#include <string_view>

#include "base/error.h"
#include "storage/database.h"

namespace godwit::storage {

struct Migration {
  int version;  // 1, 2, 3, ...
  std::string_view name;
  std::string_view sql;
};

Result<> Migrate(Database& database, std::span<const Migration> migrations);

}  // namespace godwit::storage
