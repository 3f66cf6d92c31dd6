#include "storage/database.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/try.h"
#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::HasSubstr;
using testing::Optional;

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    EXPECT_TRUE(
        database_.Execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE,"
                          " body BLOB) STRICT;"
                          "CREATE TABLE part (item INTEGER REFERENCES item (id)) STRICT"));
  }
  int64_t Number(std::string_view sql) {
    Statement* const statement = *database_.Cached(sql);
    EXPECT_TRUE(*statement->Step());
    return statement->Int(0);
  }

  TestDirectory directory_;
  const std::string path_ = directory_ / "node.db";
  Database database_ = *Database::Open(path_);
};

TEST_F(DatabaseTest, WhatIsBoundIsRead) {
  using namespace std::string_view_literals;
  Statement insert = *database_.Prepare("INSERT INTO item VALUES (?, ?, ?)");
  insert.BindAll(7, "seven", BlobView("a\0b"sv));
  ASSERT_TRUE(insert.Run().has_value());
  EXPECT_EQ(database_.LastRowId(), 7);
  EXPECT_EQ(database_.Changes(), 1);
  insert.BindAll(8, std::nullopt, BlobView(""));
  ASSERT_TRUE(insert.Run().has_value());
  insert.BindAll(int64_t{9}, std::optional<std::string>(""), std::optional<BlobView>());
  ASSERT_TRUE(insert.Run().has_value());

  Statement all = *database_.Prepare("SELECT * FROM item ORDER BY id");
  ASSERT_TRUE(*all.Step());
  EXPECT_EQ(all.Int(0), 7);
  EXPECT_EQ(all.Text(1), "seven");
  EXPECT_EQ(all.Blob(2), "a\0b"sv);
  EXPECT_THAT(all.MaybeText(1), Optional(std::string("seven")));
  ASSERT_TRUE(*all.Step());
  EXPECT_EQ(all.MaybeText(1), std::nullopt);
  EXPECT_EQ(all.Text(1), "");
  EXPECT_FALSE(all.IsNull(2)) << "empty is not NULL";
  ASSERT_TRUE(*all.Step());
  EXPECT_THAT(all.MaybeText(1), Optional(std::string()));
  EXPECT_TRUE(all.IsNull(2));
  EXPECT_EQ(all.MaybeInt(2), std::nullopt);
  EXPECT_FALSE(*all.Step());
}

TEST_F(DatabaseTest, KeepsItsPromisesOnDisk) {
  EXPECT_EQ(Number("PRAGMA synchronous"), 2) << "FULL";
  EXPECT_EQ(Number("PRAGMA foreign_keys"), 1);
  Statement* const mode = *database_.Cached("PRAGMA journal_mode");
  ASSERT_TRUE(*mode->Step());
  EXPECT_EQ(mode->Text(0), "wal");
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    struct stat st = {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &st), 0) << suffix;
    EXPECT_EQ(st.st_mode & 07777u, 0600u) << suffix;
  }
}

TEST_F(DatabaseTest, CachedStatementsAreMadeOnceAndComeReset) {
  Statement* const first = *database_.Cached("SELECT ?");
  first->BindAll(5);
  ASSERT_TRUE(*first->Step());
  Statement* const second = *database_.Cached("SELECT ?");
  EXPECT_EQ(first, second);
  ASSERT_TRUE(*second->Step());
  EXPECT_TRUE(second->IsNull(0)) << "nothing stays bound";
}

TEST_F(DatabaseTest, ErrorsHaveTheirCodeAndNameTheStatement) {
  ASSERT_TRUE(database_.Execute("INSERT INTO item VALUES (1, 'a', NULL)").has_value());
  const auto twice = database_.Execute("INSERT INTO item VALUES (2, 'a', NULL)");
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code(), Code::kConflict);
  EXPECT_THAT(twice.error().ToString(), HasSubstr("UNIQUE constraint failed: item.name"));
  EXPECT_THAT(twice.error().ToString(), HasSubstr(path_));
  EXPECT_EQ(database_.Execute("INSERT INTO part VALUES (99)").error().code(), Code::kConflict);
  EXPECT_EQ(database_.Execute("INSERT INTO part VALUES ('x')").error().code(), Code::kConflict)
      << "STRICT";
  EXPECT_EQ(database_.Prepare("SELEKT").error().code(), Code::kInternal);
  EXPECT_EQ(database_.Prepare("SELECT 1; SELECT 2").error().code(), Code::kInternal);
  EXPECT_EQ(database_.Prepare("").error().code(), Code::kInternal);
  Statement statement = *database_.Prepare("SELECT 1");
  statement.Bind(1, 5);
  EXPECT_FALSE(statement.Step().has_value()) << "there is no parameter 1";
  EXPECT_TRUE(*statement.Step()) << "and it recovers";
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefused) {
  WriteFile(directory_ / "other", std::string(8192, 'x'));
  const auto other = Database::Open(directory_ / "other");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), Code::kCorrupt);
  EXPECT_EQ(other.error().ToString(), "cannot open the database '" + (directory_ / "other") +
                                          "': file is not a database (put it back from a backup)");
  EXPECT_EQ(Database::Open(directory_ / "none/node.db").error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace godwit::storage
