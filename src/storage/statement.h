#pragma once

// One prepared SQL statement: bind, step, read the columns.
//
//   GODWIT_TRY(Statement * find, database.Cached("SELECT name, size FROM item WHERE id = ?"));
//   find->BindAll(id);
//   GODWIT_TRY(const bool found, find->Step());
//   if (found) Use(find->Text(0), find->Int(1));
//
// Parameters count from 1, columns from 0, as in SQLite. Threads: its Database's. Lifetime: ends
// before its Database. Failure: Step() by SQLite's code, with the statement's text; a Bind that
// SQLite refuses makes the next Step() fail.
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace godwit::storage {

// Bytes that are bound as a BLOB; a plain string_view is TEXT.
struct BlobView {
  std::string_view bytes;
};

class Statement {
 public:
  static Result<Statement> Prepare(sqlite3* database, std::string_view sql);

  void Bind(int index, int64_t value);
  void Bind(int index, std::string_view text);
  void Bind(int index, BlobView blob);
  void Bind(int index, std::nullopt_t);
  template <std::integral Integer>
  void Bind(int index, Integer value) {
    Bind(index, static_cast<int64_t>(value));
  }
  void Bind(int index, const char* text) { Bind(index, std::string_view(text)); }
  void Bind(int index, const std::string& text) { Bind(index, std::string_view(text)); }
  template <typename T>
  void Bind(int index, const std::optional<T>& value) {
    value ? Bind(index, *value) : Bind(index, std::nullopt);
  }
  // Binds parameter 1, 2, ... in turn.
  template <typename... Values>
  void BindAll(const Values&... values) {
    int index = 0;
    (Bind(++index, values), ...);
  }

  // True: there is a row, and its columns may be read until the next call. False: it is done.
  Result<bool> Step();
  // Steps to the end and resets: for statements without rows.
  Result<> Run();
  // Makes it ready to be bound and stepped again; forgets what was bound.
  void Reset();

  int64_t Int(int column) const;
  // Views until the next Step() or Reset(). NULL reads as 0 or empty.
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;
  std::optional<int64_t> MaybeInt(int column) const;
  std::optional<std::string> MaybeText(int column) const;

 private:
  struct Finalized {
    void operator()(sqlite3_stmt* statement) const;
  };

  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void Note(int answer);

  std::unique_ptr<sqlite3_stmt, Finalized> statement_;
  int bind_error_ = 0;
};

// The Error that SQLite's `answer` stands for: kNoSpace for a full disk, kConflict for a
// constraint, kBusy, kCorrupt, kDenied, else kInternal. `doing` names what was tried.
Error SqliteError(sqlite3* database, int answer, std::string_view doing);

}  // namespace godwit::storage
