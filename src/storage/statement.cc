#include "storage/statement.h"

#include <sqlite3.h>

#include <cerrno>
#include <utility>

#include "base/try.h"

namespace godwit::storage {
namespace {

Code CodeOf(sqlite3* database, int answer) {
  switch (answer & 0xff) {
    case SQLITE_FULL:
      return Code::kNoSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::kBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kCorrupt;
    case SQLITE_CONSTRAINT:
      return Code::kConflict;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Code::kDenied;
    case SQLITE_TOOBIG:
      return Code::kTooLarge;
    case SQLITE_IOERR:
      // The index of the log is made before the log grows, so it meets the full disk first.
      if (answer == SQLITE_IOERR_SHMSIZE || answer == SQLITE_IOERR_SHMMAP) return Code::kNoSpace;
      [[fallthrough]];
    case SQLITE_CANTOPEN: {
      const int error = database != nullptr ? sqlite3_system_errno(database) : 0;
      return error != 0 ? CodeOfErrno(error) : Code::kInternal;
    }
    default:
      return Code::kInternal;
  }
}

std::string_view WayOut(Code code) {
  switch (code) {
    case Code::kNoSpace:
      return " (free some space there, or move the store with --data)";
    case Code::kCorrupt:
      return " (put it back from a backup)";
    case Code::kBusy:
      return " (another program holds it; close that, then try again)";
    default:
      return "";
  }
}

}  // namespace

Error SqliteError(sqlite3* database, int answer, std::string_view doing) {
  const Code code = CodeOf(database, answer);
  const char* const text = database != nullptr && sqlite3_extended_errcode(database) == answer
                               ? sqlite3_errmsg(database)
                               : sqlite3_errstr(answer);
  const char* const path = database != nullptr ? sqlite3_db_filename(database, "main") : nullptr;
  return {code, fmt::format("cannot {} the database '{}': {}{}", doing, path != nullptr ? path : "",
                            text, WayOut(code))};
}

void Statement::Finalized::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<Statement> Statement::Prepare(sqlite3* database, std::string_view sql) {
  sqlite3_stmt* made = nullptr;
  const char* rest = nullptr;
  const int answer = sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, &rest);
  if (answer != SQLITE_OK) {
    return std::unexpected(SqliteError(database, answer, fmt::format("prepare `{}` in", sql)));
  }
  Statement statement(made);
  if (made == nullptr || rest != sql.data() + sql.size()) {
    return Fail(Code::kInternal, "cannot prepare `{}`: it is not exactly one statement", sql);
  }
  return statement;
}

void Statement::Note(int answer) {
  if (bind_error_ == SQLITE_OK) bind_error_ = answer;
}

void Statement::Bind(int index, int64_t value) {
  Note(sqlite3_bind_int64(statement_.get(), index, value));
}

void Statement::Bind(int index, std::string_view text) {
  // A null pointer would bind NULL, and an empty view may have one.
  Note(sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::Bind(int index, BlobView blob) {
  Note(sqlite3_bind_blob64(statement_.get(), index, blob.bytes.empty() ? "" : blob.bytes.data(),
                           blob.bytes.size(), SQLITE_TRANSIENT));
}

void Statement::Bind(int index, std::nullopt_t) {
  Note(sqlite3_bind_null(statement_.get(), index));
}

Result<bool> Statement::Step() {
  const int answer = bind_error_ != SQLITE_OK ? bind_error_ : sqlite3_step(statement_.get());
  if (answer == SQLITE_ROW) return true;
  if (answer == SQLITE_DONE) return false;
  Error error = SqliteError(sqlite3_db_handle(statement_.get()), answer,
                            fmt::format("run `{}` in", sqlite3_sql(statement_.get())));
  Reset();
  return std::unexpected(std::move(error));
}

Result<> Statement::Run() {
  while (true) {
    GODWIT_TRY(const bool row, Step());
    if (!row) break;
  }
  Reset();
  return {};
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_error_ = SQLITE_OK;
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view Statement::Text(int column) const {
  const auto* const text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::Blob(int column) const {
  const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::optional<int64_t> Statement::MaybeInt(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Int(column);
}

std::optional<std::string> Statement::MaybeText(int column) const {
  if (IsNull(column)) return std::nullopt;
  return std::string(Text(column));
}

}  // namespace godwit::storage
