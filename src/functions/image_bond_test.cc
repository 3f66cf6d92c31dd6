#include "functions/image_bond.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/image.h"
#include "functions/test_place.h"

namespace godwit::functions {
namespace {

InstanceFacts FactsOf(const std::string& instance, uint64_t sequence, const std::string& key) {
  InstanceFacts facts;
  facts.instance = {instance};
  facts.sequence = sequence;
  facts.image_key = key;
  Function function;
  function.spec.name = "f";
  function.revision_id = "11111111-2222-4333-8444-555555555555";
  facts.function = std::make_shared<const Function>(function);
  return facts;
}

class ImageBondTest : public testing::Test {
 protected:
  ImageBondTest() {
    for (const char* name : {"criu", "tmp"}) std::filesystem::create_directory(place_.home / name);
    std::ofstream(place_.home / "criu/core-1.img") << "registers";
  }
  storage::BlobId Store(const InstanceFacts& facts) {
    return checkpoint::StoreImage(*place_.blobs, places_, FactsToJson(facts),
                                  {.bond = BondOf(facts)})
        ->id;
  }
  std::optional<Code> Fetch(const storage::BlobId& id, const InstanceFacts& facts) {
    const auto fetched =
        checkpoint::FetchImage(*place_.blobs, id, places_, 0, BondOf(facts), false);
    return fetched ? std::nullopt : std::optional(fetched.error().code());
  }

  TestPlace place_;
  checkpoint::ImagePlaces places_{place_.home / "criu", place_.home / "tmp"};
  std::string key_ = NewImageKey(place_.entropy);
  InstanceFacts facts_ = FactsOf("i-0000000001", 4, key_);
};

TEST_F(ImageBondTest, ItOpensForItsOwnRow) {
  EXPECT_EQ(Fetch(Store(facts_), facts_), std::nullopt);
  EXPECT_EQ(FactsFromJson(FactsToJson(facts_))->image_key, key_);
  EXPECT_EQ(FactsFromJson(FactsToJson(facts_))->sequence, 4u);
}

TEST_F(ImageBondTest, ItIsNobodyElses) {
  const storage::BlobId id = Store(facts_);
  EXPECT_EQ(Fetch(id, FactsOf("i-0000000002", 4, key_)), Code::kCorrupt);
  EXPECT_EQ(Fetch(id, FactsOf("i-0000000001", 5, key_)), Code::kCorrupt);
  InstanceFacts other = facts_;
  Function changed = *facts_.function;
  changed.revision_id = "99999999-2222-4333-8444-555555555555";
  other.function = std::make_shared<const Function>(changed);
  EXPECT_EQ(Fetch(id, other), Code::kCorrupt);
  changed = *facts_.function;
  changed.spec.name = "g";
  other.function = std::make_shared<const Function>(changed);
  EXPECT_EQ(Fetch(id, other), Code::kCorrupt);
}

TEST_F(ImageBondTest, WithoutItsKeyItIsAsGoodAsWiped) {
  const storage::BlobId id = Store(facts_);
  EXPECT_EQ(Fetch(id, FactsOf("i-0000000001", 4, NewImageKey(place_.entropy))), Code::kCorrupt);
  EXPECT_EQ(Fetch(id, FactsOf("i-0000000001", 4, "")), Code::kCorrupt);
}

TEST_F(ImageBondTest, ItsRowOpensWhatItRefersTo) {
  const storage::BlobId id = Store(facts_);
  InstanceFacts next = FactsOf("i-0000000002", 1, NewImageKey(place_.entropy));
  next.bases.push_back({id, facts_.image_key, facts_.instance, facts_.sequence});
  const InstanceFacts read = *FactsFromJson(FactsToJson(next));
  EXPECT_EQ(read.bases, next.bases);
  ASSERT_EQ(BasesOf(next).size(), 1U);
  EXPECT_EQ(BasesOf(next)[0].bond, BondOf(facts_));
  EXPECT_EQ(Fetch(BasesOf(next)[0].id, facts_), std::nullopt);
}

TEST_F(ImageBondTest, AnImageOfBeforeThereWereBondsIsRead) {
  const InstanceFacts old = FactsOf("i-0000000001", 0, "");
  EXPECT_EQ(BondOf(old), "");
  EXPECT_EQ(Fetch(Store(old), old), std::nullopt);
}

TEST_F(ImageBondTest, ACopyUnderAnothersNameIsRefused) {
  const InstanceFacts newer = FactsOf("i-0000000001", 5, NewImageKey(place_.entropy));
  const storage::BlobId old_id = Store(facts_);
  const storage::BlobId new_id = Store(newer);
  std::filesystem::copy_file(place_.BlobPath(old_id.hex), place_.BlobPath(new_id.hex),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(Fetch(new_id, newer), Code::kCorrupt);
  EXPECT_EQ(Fetch(new_id, facts_), Code::kCorrupt);
}

TEST_F(ImageBondTest, NobodyElseMayReadTheFiles) {
  const std::string path = place_.BlobPath(Store(facts_).hex);
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_EQ(std::filesystem::status(std::filesystem::path(path).parent_path()).permissions(),
            perms::owner_all);
}

}  // namespace
}  // namespace godwit::functions
