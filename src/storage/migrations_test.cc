#include "storage/migrations.h"

#include <gmock/gmock.h>

#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::HasSubstr;

constexpr Migration kFirst = {1, "items", "CREATE TABLE item (id INTEGER) STRICT"};
constexpr Migration kSecond = {2, "names",
                               "ALTER TABLE item ADD COLUMN name TEXT;"
                               "INSERT INTO item VALUES (1, 'one')"};
constexpr Migration kBroken = {3, "broken", "INSERT INTO item VALUES (2, 'two'); SELEKT"};

class MigrationsTest : public testing::Test {
 protected:
  int64_t Number(std::string_view sql) {
    Statement statement = *database_.Prepare(sql);
    EXPECT_TRUE(*statement.Step());
    return statement.Int(0);
  }

  TestDirectory directory_;
  Database database_ = *Database::Open(directory_ / "node.db");
};

TEST_F(MigrationsTest, EachStepIsDoneOnce) {
  const Migration one[] = {kFirst};
  const Migration two[] = {kFirst, kSecond};
  ASSERT_TRUE(Migrate(database_, one).has_value());
  ASSERT_TRUE(Migrate(database_, two).has_value());
  ASSERT_TRUE(Migrate(database_, two).has_value());
  EXPECT_EQ(Number("PRAGMA user_version"), 2);
  EXPECT_EQ(Number("SELECT count(*) FROM item"), 1);
}

TEST_F(MigrationsTest, AStepThatFailsLeavesTheStoreBeforeIt) {
  const Migration three[] = {kFirst, kSecond, kBroken};
  const auto failed = Migrate(database_, three);
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().ToString(),
              HasSubstr("cannot bring the store to version 3 ('broken')"));
  EXPECT_EQ(Number("PRAGMA user_version"), 2);
  EXPECT_EQ(Number("SELECT count(*) FROM item"), 1) << "half a step is no step";
  EXPECT_TRUE(database_.InAutocommit());
}

TEST_F(MigrationsTest, ANewerStoreIsLeftAlone) {
  const Migration two[] = {kFirst, kSecond};
  const Migration one[] = {kFirst};
  ASSERT_TRUE(Migrate(database_, two).has_value());
  const auto refused = Migrate(database_, one);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kUnsupported);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("has version 2, this program knows 0 to 1"));
}

TEST_F(MigrationsTest, AListWithAGapIsAMistake) {
  const Migration gap[] = {kFirst, kBroken};
  EXPECT_EQ(Migrate(database_, gap).error().code(), Code::kInternal);
}

}  // namespace
}  // namespace godwit::storage
