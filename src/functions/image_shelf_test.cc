#include "functions/image_shelf.h"

#include <gmock/gmock.h>

#include "functions/test_place.h"

namespace godwit::functions {
namespace {

class ImageShelfTest : public testing::Test {
 protected:
  KeptInstance Kept(const std::string& instance, std::vector<KeptInstance> bases = {}) {
    const std::string content = "image of " + instance;
    const std::string_view parts[] = {content};
    KeptInstance kept;
    kept.image = *place_.blobs->Put(parts, {Durability::kCached});
    kept.facts.instance = {instance};
    for (const auto& base : bases)
      kept.facts.bases.push_back({base.image, "", base.facts.instance, 0});
    return kept;
  }
  bool IsThere(const KeptInstance& kept) const { return place_.HasBlob(kept.image.hex); }
  void Settle() {
    place_.RunOne([](ImageShelf& shelf) -> boost::asio::awaitable<int> {
      co_await shelf.Close();
      co_return 0;
    }(shelf_));
  }

  TestPlace place_;
  ImageShelf shelf_{place_.workplace};
};

TEST_F(ImageShelfTest, AnImageGoesWhenItsRowIsGoneAndNobodyHoldsIt) {
  const auto [gone, held, kept] =
      std::tuple(Kept("i-0000000001"), Kept("i-0000000002"), Kept("i-0000000003"));
  shelf_.Begin();
  const auto holder = shelf_.Own(held);
  holder->Drop();
  shelf_.Own(gone)->Drop();
  shelf_.Own(kept);
  EXPECT_EQ(shelf_.Find(held.image), holder);
  EXPECT_EQ(shelf_.Find(gone.image), nullptr);
  Settle();
  EXPECT_FALSE(IsThere(gone));
  EXPECT_TRUE(IsThere(held));
  EXPECT_TRUE(IsThere(kept)) << "its row is still there";
}

TEST_F(ImageShelfTest, ABaseStaysAsLongAsSomebodyRefersToIt) {
  const KeptInstance base = Kept("i-0000000001");
  const KeptInstance one = Kept("i-0000000002", {base});
  const KeptInstance two = Kept("i-0000000003", {base});
  shelf_.Begin();
  auto first = shelf_.Own(one);
  auto second = shelf_.Own(two);
  ASSERT_EQ(first->bases().size(), 1U);
  EXPECT_EQ(first->bases()[0], second->bases()[0]);
  first->Drop();
  first.reset();
  EXPECT_NE(shelf_.Find(base.image), nullptr);
  second->Drop();
  second.reset();
  EXPECT_EQ(shelf_.Find(base.image), nullptr);
  Settle();
  for (const auto& image : {base, one, two}) EXPECT_FALSE(IsThere(image));
}

TEST_F(ImageShelfTest, WhatARowRefersToStaysOnDisk) {
  const KeptInstance base = Kept("i-0000000001");
  const KeptInstance kept = Kept("i-0000000002", {base});
  shelf_.Begin();
  {
    const auto own = shelf_.Own(base);
    const auto refers = shelf_.Own(kept);
    own->Drop();  // a template whose row goes while somebody is put away
  }
  Settle();  // the node ends
  EXPECT_TRUE(IsThere(base));
  EXPECT_TRUE(IsThere(kept));
}

TEST_F(ImageShelfTest, WhatIsABaseAloneHoldsNothing) {
  const KeptInstance first = Kept("i-0000000001");
  const KeptInstance second = Kept("i-0000000002", {first});
  const KeptInstance third = Kept("i-0000000003", {second});
  shelf_.Begin();
  auto last = shelf_.Own(second);
  last->Drop();
  const auto next = shelf_.Own(third);
  last->LeaveBases();
  last.reset();
  Settle();
  EXPECT_FALSE(IsThere(first));
  EXPECT_TRUE(IsThere(second));
}

TEST_F(ImageShelfTest, OwningAgainLosesNoBase) {
  const KeptInstance base = Kept("i-0000000001");
  const KeptInstance kept = Kept("i-0000000002", {base});
  const auto first = shelf_.Own(kept);
  const auto again = shelf_.Own(kept);
  EXPECT_EQ(first, again);
  shelf_.Begin();
  Settle();
  EXPECT_TRUE(IsThere(base));
}

TEST_F(ImageShelfTest, NothingGoesBeforeAllThatAStartFindsIsHeld) {
  const KeptInstance gone = Kept("i-0000000001");
  shelf_.Own(gone)->Drop();
  Settle();
  EXPECT_TRUE(IsThere(gone));
}

TEST_F(ImageShelfTest, TheRowSaysWhenAnImageIsSynced) {
  KeptInstance kept = Kept("i-0000000001");
  kept.synced = false;
  const auto rows = [&] {
    std::vector<KeptInstance> all;
    EXPECT_TRUE(place_.journal
                    .WriteNow([&](storage::Database& database) -> Result<> {
                      all = *AllInstances(database);
                      return {};
                    })
                    .has_value());
    return all;
  };
  ASSERT_TRUE(
      place_.journal
          .WriteNow([&](storage::Database& database) { return PutInstance(database, kept); })
          .has_value());
  ASSERT_EQ(rows().size(), 1U);
  EXPECT_FALSE(rows()[0].synced);
  shelf_.Begin();
  shelf_.SyncLater(kept.facts.instance, shelf_.Own(kept));
  Settle();
  EXPECT_TRUE(rows()[0].synced);
}

TEST_F(ImageShelfTest, WhatCannotBeSyncedIsTold) {
  KeptInstance kept = Kept("i-0000000001");
  kept.synced = false;
  place_.RemoveBlob(kept.image.hex);
  std::string told;
  shelf_.OnUnsafe(
      [&](const InstanceId& id, const storage::BlobId&, const Error&) { told = id.text; });
  shelf_.Begin();
  shelf_.SyncLater(kept.facts.instance, shelf_.Own(kept));
  Settle();
  EXPECT_EQ(told, "i-0000000001");
}

}  // namespace
}  // namespace godwit::functions
