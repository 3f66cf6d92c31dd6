#include "storage/migrations.h"

#include "base/scope.h"
#include "base/try.h"

namespace godwit::storage {
namespace {

Result<int64_t> VersionOf(Database& database) {
  GODWIT_TRY(Statement read, database.Prepare("PRAGMA user_version"));
  GODWIT_TRY(const bool found, read.Step());
  return found ? read.Int(0) : 0;
}

Result<> Apply(Database& database, const Migration& migration) {
  GODWIT_TRY(database.Execute("BEGIN IMMEDIATE"));
  const ScopeExit undo([&] {
    if (!database.InAutocommit()) static_cast<void>(database.Execute("ROLLBACK"));
  });
  GODWIT_TRY(database.Execute(migration.sql));
  GODWIT_TRY(database.Execute(fmt::format("PRAGMA user_version = {}", migration.version)));
  return database.Execute("COMMIT");
}

}  // namespace

Result<> Migrate(Database& database, std::span<const Migration> migrations) {
  int known = 0;
  for (const auto& migration : migrations) {
    if (migration.version != ++known) {
      return Fail(Code::kInternal, "migration '{}' has number {} at place {}", migration.name,
                  migration.version, known);
    }
  }
  GODWIT_TRY(const int64_t version, VersionOf(database));
  if (version < 0 || version > known) {
    return Fail(Code::kUnsupported,
                "cannot use the store: its database has version {}, this program knows 0 to {} "
                "(start the newer godwit that wrote it)",
                version, known);
  }
  for (const auto& migration : migrations.subspan(static_cast<size_t>(version))) {
    GODWIT_TRY(Apply(database, migration)
                   .Within("cannot bring the store to version {} ('{}')", migration.version,
                           migration.name));
  }
  return {};
}

}  // namespace godwit::storage
