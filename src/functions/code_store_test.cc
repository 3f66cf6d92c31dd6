#include "functions/code_store.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "functions/test_place.h"

namespace godwit::functions {
namespace {

namespace asio = boost::asio;

class CodeStoreTest : public testing::Test {
 protected:
  // The code, and no turn.
  asio::awaitable<Result<KeptCode>> Take(std::string zip) {
    auto taken = co_await store_.Take(std::move(zip));
    if (!taken) co_return std::unexpected(taken.error());
    co_return taken->code;
  }
  asio::awaitable<bool> Drop(CodeStore::Use use) {
    co_await store_.DropUnused([use](const std::string&) { return use; });
    co_return true;
  }
  asio::awaitable<bool> DropWhileItIsHeld(std::string zip) {
    const auto taken = co_await store_.Take(std::move(zip));
    co_await Drop(CodeStore::Use::kNone);
    EXPECT_TRUE(IsThere(taken->code));
    EXPECT_TRUE(store_.doubts());
    co_return true;
  }
  bool IsThere(const KeptCode& code) {
    return std::filesystem::exists(place_.home / ("code/" + code.id + "/app.py")) &&
           place_.HasBlob(code.zip_id);
  }
  bool IsGone(const KeptCode& code) {
    return !std::filesystem::exists(place_.home / ("code/" + code.id)) &&
           !place_.HasBlob(code.zip_id);
  }

  TestPlace place_;
  CodeStore store_{place_.workplace};
};

TEST_F(CodeStoreTest, TakesInAndGivesBack) {
  const auto code = place_.RunOne(Take(ZipOf("a")));
  ASSERT_TRUE(code) << code.error().ToString();
  EXPECT_TRUE(IsThere(*code));
  EXPECT_EQ(place_.RunOne(store_.Zip(code->zip_id)).value(), ZipOf("a"));
  EXPECT_EQ(place_.RunOne(Take(ZipOf("a")))->id, code->id) << "equal code is kept once";
  EXPECT_EQ(place_.RunOne(Take("no zip")).error().code(), Code::kInvalid);
}

TEST_F(CodeStoreTest, DropsWhatNobodyUses) {
  const auto code = place_.RunOne(Take(ZipOf("a"))).value();
  place_.RunOne(Drop(CodeStore::Use::kInstances));
  EXPECT_TRUE(IsThere(code));
  EXPECT_TRUE(store_.doubts()) << "the instances will end";
  place_.RunOne(Drop(CodeStore::Use::kFunctions));
  EXPECT_TRUE(IsThere(code));
  EXPECT_FALSE(store_.doubts());
  store_.Doubt(code.id, code.zip_id);
  place_.RunOne(Drop(CodeStore::Use::kNone));
  EXPECT_TRUE(IsGone(code));
  EXPECT_TRUE(std::filesystem::is_empty(place_.home / "code"));
}

TEST_F(CodeStoreTest, WhatIsTakenInWhileItIsDroppedIsWhole) {
  const auto code = place_.RunOne(Take(ZipOf("a"))).value();
  place_.Run(Drop(CodeStore::Use::kNone), Take(ZipOf("a")));
  EXPECT_TRUE(IsThere(code));
}

TEST_F(CodeStoreTest, WhatSomebodyDeploysIsNotDropped) {
  place_.RunOne(DropWhileItIsHeld(ZipOf("a")));
}

TEST_F(CodeStoreTest, UnpacksWhatItKeeps) {
  const auto code = place_.RunOne(Take(ZipOf("a"))).value();
  std::filesystem::remove_all(place_.home / ("code/" + code.id));
  EXPECT_TRUE(store_.Unpack(code.id, code.zip_id));
  EXPECT_TRUE(IsThere(code));
}

TEST_F(CodeStoreTest, DamagedCodeIsMadeAnewFromTheSameZip) {
  const auto code = place_.RunOne(Take(ZipOf("a"))).value();
  std::filesystem::remove_all(place_.home / ("code/" + code.id));
  std::filesystem::resize_file(place_.BlobPath(code.zip_id), 30);
  EXPECT_EQ(store_.Unpack(code.id, code.zip_id).error().code(), Code::kCorrupt);
  place_.RunOne(Take(ZipOf("a"))).value();
  EXPECT_TRUE(IsThere(code));
  EXPECT_EQ(place_.RunOne(store_.Zip(code.zip_id)).value(), ZipOf("a"));
}

}  // namespace
}  // namespace godwit::functions
