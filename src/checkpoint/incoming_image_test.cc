// An image from one node to another: outgoing_image.h and incoming_image.h together.
#include "checkpoint/incoming_image.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "base/files.h"
#include "checkpoint/outgoing_image.h"
#include "storage/node_key.h"
#include "storage/test_directory.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMuch = 64 << 20;

// A node's store, and where it puts images.
struct Node {
  explicit Node(const storage::Digest& site) {
    for (const auto* name : {"/store", "/criu", "/tmp", "/in"})
      fs::create_directory(home.path() + name);
    blobs->SumPagesWith(site);
  }
  ImagePlaces places() const { return {home.path() + "/criu", home.path() + "/tmp"}; }
  void Clear() const {
    EmptyDirectory(places().criu);
    EmptyDirectory(places().temporary);
  }

  storage::TestDirectory home;
  SystemEntropy entropy;
  std::unique_ptr<Files> files = DiskFiles();
  std::unique_ptr<storage::Blobs> blobs = *storage::Blobs::Open(
      home.path() + "/store", *storage::LoadNodeKey(*files, home.path(), entropy), entropy);
};

class IncomingImageTest : public testing::Test {
 protected:
  static std::string Pages(uint32_t first, uint32_t count) {
    std::string pages(count * kPage, '\0');
    for (uint32_t page = 0; page < count; ++page) {
      const uint32_t number = first + page;
      for (size_t i = 0; i < kPage / 4; ++i)
        std::memcpy(pages.data() + page * kPage + i * 4, &number, 4);
    }
    return pages;
  }
  static void Put(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string Get(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static storage::Digest SiteKey() {
    storage::Digest key{};
    key.fill(7);
    return key;
  }
  StoredImage Store(Node& node, const std::string& pages, std::vector<ImageBase> bases = {}) {
    node.Clear();
    Put(node.places().criu + "/core-100.img", "core");
    Put(node.places().criu + "/pages-1.img", pages);
    fs::create_directory(node.places().temporary + "/cache");
    Put(node.places().temporary + "/cache/state", "42");
    Put(node.places().temporary + "/last", std::string(100'000, 'l'));
    auto stored = StoreImage(
        *node.blobs, node.places(), [](const auto&) { return "{\"facts\":1}"; },
        {Durability::kCached, storage::Packing::kFast, storage::kLeastBlobChunk}, bases);
    EXPECT_TRUE(stored) << stored.error().ToString();
    return *stored;
  }
  // How many bytes of pages crossed.
  uint64_t Send(OutgoingImage& from, IncomingImage& to) {
    const std::string wanted = to.Wanted(from.sums());
    uint64_t sent = 0;
    for (uint32_t page = 0; page < from.pages(); ++page) {
      if (((static_cast<unsigned char>(wanted[page / 8]) >> (page % 8)) & 1U) == 0) continue;
      std::string bytes(kPage, '\0');
      EXPECT_TRUE(from.ReadPages(std::span(&page, 1), bytes));
      EXPECT_TRUE(to.TakePages(from.sums().substr(page * kSumBytes, kSumBytes), bytes));
      sent += kPage;
    }
    constexpr uint64_t kPiece = 1000;
    for (uint64_t at = 0; at < from.rest_bytes(); at += kPiece) {
      std::string piece(std::min(kPiece, from.rest_bytes() - at), '\0');
      EXPECT_TRUE(from.ReadRest(at, piece));
      EXPECT_TRUE(to.TakeRest(at, piece));
    }
    return sent;
  }
  Result<StoredImage> Arrive(IncomingImage& image, std::string_view bond = "") {
    return image.Store(
        [](const auto&) { return "{\"facts\":2}"; },
        {Durability::kCached, storage::Packing::kFast, storage::kLeastBlobChunk, bond});
  }
  std::unique_ptr<IncomingImage> Begin(Node& node, std::vector<ImageBase> library = {}) {
    return *IncomingImage::Begin(*node.blobs, node.home.path() + "/in", std::move(library), kMuch);
  }

  Node here_{SiteKey()};
  Node there_{SiteKey()};
};

TEST_F(IncomingImageTest, IsTheSameThereWithItsBasesPagesAndFiles) {
  const StoredImage base = Store(here_, Pages(1, 100));
  const std::string pages = Pages(500, 3) + Pages(1, 90) + std::string(kPage, '\0') + Pages(7, 1);
  const StoredImage image = Store(here_, pages, {{base.id, ""}});
  ASSERT_THAT(image.bases, testing::ElementsAre(0));
  const ImageBase bases[] = {{base.id, ""}};
  const auto outgoing = OutgoingImage::Open(*here_.blobs, image.id, "", bases);
  ASSERT_TRUE(outgoing) << outgoing.error().ToString();
  EXPECT_EQ((*outgoing)->pages(), 93U);
  const auto incoming = Begin(there_);
  EXPECT_EQ(Send(**outgoing, *incoming), 93 * kPage);
  EXPECT_EQ(*incoming->Facts(), "{\"facts\":1}");
  const auto arrived = Arrive(*incoming, "bond");
  ASSERT_TRUE(arrived) << arrived.error().ToString();
  there_.Clear();
  const auto fetched =
      FetchImage(*there_.blobs, arrived->id, there_.places(), ::getuid(), "bond", false);
  ASSERT_TRUE(fetched) << fetched.error().ToString();
  EXPECT_EQ(fetched->facts, "{\"facts\":2}");
  EXPECT_EQ(Get(there_.places().criu + "/pages-1.img"), pages);
  EXPECT_EQ(Get(there_.places().criu + "/core-100.img"), "core");
  EXPECT_EQ(Get(there_.places().temporary + "/cache/state"), "42");
  EXPECT_EQ(Get(there_.places().temporary + "/last"), std::string(100'000, 'l'));
}

TEST_F(IncomingImageTest, WhatIsThereAlreadyDoesNotCross) {
  const StoredImage kept = Store(there_, Pages(1, 100));
  const StoredImage image = Store(here_, Pages(1, 100) + Pages(900, 2));
  const auto outgoing = *OutgoingImage::Open(*here_.blobs, image.id, "", {});
  const auto incoming = Begin(there_, {{kept.id, ""}});
  EXPECT_EQ(Send(*outgoing, *incoming), 2 * kPage);
  const auto arrived = Arrive(*incoming);
  ASSERT_TRUE(arrived) << arrived.error().ToString();
  EXPECT_EQ(arrived->own_bytes, 2 * kPage);
  EXPECT_THAT(arrived->bases, testing::ElementsAre(0));
  there_.Clear();
  const ImageBase bases[] = {{kept.id, ""}};
  ASSERT_TRUE(
      FetchImage(*there_.blobs, arrived->id, there_.places(), ::getuid(), "", false, bases));
  EXPECT_EQ(Get(there_.places().criu + "/pages-1.img"), Pages(1, 100) + Pages(900, 2));
}

TEST_F(IncomingImageTest, PagesOfAnImageThatIsNotReferredToAreCopied) {
  const StoredImage kept = Store(there_, Pages(1, 1000));
  const StoredImage image = Store(here_, Pages(1, 40));
  const auto outgoing = *OutgoingImage::Open(*here_.blobs, image.id, "", {});
  const auto incoming = Begin(there_, {{kept.id, ""}});
  EXPECT_EQ(Send(*outgoing, *incoming), 0U);
  const auto arrived = Arrive(*incoming);
  ASSERT_TRUE(arrived) << arrived.error().ToString();
  EXPECT_EQ(arrived->own_bytes, 40 * kPage);
  EXPECT_THAT(arrived->bases, testing::IsEmpty());
  there_.Clear();
  ASSERT_TRUE(FetchImage(*there_.blobs, arrived->id, there_.places(), ::getuid(), "", false));
  EXPECT_EQ(Get(there_.places().criu + "/pages-1.img"), Pages(1, 40));
}

TEST_F(IncomingImageTest, APageThatIsNotWhatItsSumSaysIsRefused) {
  const auto incoming = Begin(there_);
  const std::string sums = there_.blobs->SumPieces(Pages(1, 2), kPage);
  const auto taken = incoming->TakePages(sums, Pages(2, 2));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kCorrupt);
  EXPECT_FALSE(incoming->TakePages(sums, Pages(1, 1)));
  EXPECT_EQ(incoming->Wanted(sums), "\x03");
}

TEST_F(IncomingImageTest, WhatIsMissingIsSaid) {
  const StoredImage image = Store(here_, Pages(1, 20));
  const auto outgoing = *OutgoingImage::Open(*here_.blobs, image.id, "", {});
  const auto incoming = Begin(there_);
  EXPECT_EQ(Arrive(*incoming).error().code(), Code::kCorrupt) << "nothing came";
  std::string rest(outgoing->rest_bytes(), '\0');
  ASSERT_TRUE(outgoing->ReadRest(0, rest));
  EXPECT_EQ(incoming->TakeRest(10, rest).error().code(), Code::kConflict);
  ASSERT_TRUE(incoming->TakeRest(0, std::string_view(rest).substr(0, 5000)));
  EXPECT_EQ(Arrive(*incoming).error().code(), Code::kCorrupt) << "half of it came";
  ASSERT_TRUE(incoming->TakeRest(0, rest)) << "again, and whole";
  const auto arrived = Arrive(*incoming);
  ASSERT_FALSE(arrived);
  EXPECT_EQ(arrived.error().code(), Code::kConflict) << "its pages did not come";
}

TEST_F(IncomingImageTest, MoreThanWasSaidIsRefused) {
  const auto incoming = *IncomingImage::Begin(*there_.blobs, there_.home.path() + "/in", {}, kPage);
  const std::string sums = there_.blobs->SumPieces(Pages(1, 2), kPage);
  EXPECT_EQ(incoming->TakePages(sums, Pages(1, 2)).error().code(), Code::kTooLarge);
  EXPECT_EQ(incoming->TakeRest(0, std::string(kPage + 1, 'x')).error().code(), Code::kTooLarge);
}

}  // namespace
}  // namespace godwit::checkpoint
