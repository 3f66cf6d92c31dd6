#include "storage/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/fd.h"
#include "base/try.h"

namespace godwit::storage {
namespace {

constexpr int kBusyMillis = 5000;
// The log of changes is cut back to this when it has been emptied into the file.
constexpr std::string_view kSettings =  // ends with a zero
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA secure_delete = ON;"  // keys of images are in there
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA journal_size_limit = 16777216;";

}  // namespace

void Database::Closed::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::Open(const std::string& path) {
  // SQLite gives its log and the log's index the mode of the file, which it would make readable.
  GODWIT_TRY(
      godwit::Open(path, O_RDWR | O_CREAT, 0600).Within("cannot open the database '{}'", path));
  sqlite3* made = nullptr;
  const int answer =
      sqlite3_open_v2(path.c_str(), &made,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(made);
  if (answer != SQLITE_OK) return std::unexpected(SqliteError(made, answer, "open"));
  sqlite3_busy_timeout(made, kBusyMillis);
  const int set = sqlite3_exec(made, kSettings.data(), nullptr, nullptr, nullptr);
  if (set != SQLITE_OK) return std::unexpected(SqliteError(made, set, "open"));
  return database;
}

Result<> Database::Execute(std::string_view sql) {
  const std::string text(sql);
  const int answer = sqlite3_exec(database_.get(), text.c_str(), nullptr, nullptr, nullptr);
  if (answer == SQLITE_OK) return {};
  return std::unexpected(
      SqliteError(database_.get(), answer, fmt::format("run `{}` in", text.substr(0, 200))));
}

Result<Statement> Database::Prepare(std::string_view sql) {
  return Statement::Prepare(database_.get(), sql);
}

Result<Statement*> Database::Cached(std::string_view sql) {
  auto found = cache_.find(sql);
  if (found == cache_.end()) {
    GODWIT_TRY(Statement made, Prepare(sql));
    found = cache_.emplace(sql, std::move(made)).first;
  }
  found->second.Reset();
  return &found->second;
}

void Database::ResetCached() {
  for (auto& [sql, statement] : cache_) statement.Reset();
}

bool Database::InAutocommit() const { return sqlite3_get_autocommit(database_.get()) != 0; }

int64_t Database::LastRowId() const { return sqlite3_last_insert_rowid(database_.get()); }

int64_t Database::Changes() const { return sqlite3_changes64(database_.get()); }

}  // namespace godwit::storage
