#include "checkpoint/image_pages.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>

#include "base/files.h"
#include "storage/node_key.h"
#include "storage/test_directory.h"

namespace godwit::checkpoint {
namespace {

// Two blobs with pools behind other things, and a file of pages of both and of zeros.
class ImagePagesTest : public testing::Test {
 protected:
  void Make(uint32_t pages) {
    for (unsigned number = 0; number < 2; ++number) {
      std::string& pool = pools_.emplace_back(pages * kPage, '\0');
      std::mt19937_64 random(number);
      for (size_t i = 0; i < pool.size(); i += 8) {
        const uint64_t word = random();
        std::memcpy(pool.data() + i, &word, 8);
      }
      const std::string head(1000 + number, 'h');
      const std::string_view parts[] = {head, pool, "the end"};
      storage::Tail none;
      const std::string bond = number == 0 ? "own" : "base";
      owners_.push_back({*blobs_->PutUnique(parts, none,
                                            {.durability = Durability::kCached,
                                             .chunk_bytes = storage::kLeastBlobChunk,
                                             .bond = bond}),
                         bond, head.size(), pages});
    }
    std::mt19937 random(7);
    uint32_t left = 3 * pages / 2;
    while (left > 0) {
      const uint32_t count = std::min<uint32_t>(left, 1 + random() % 9);
      const auto kind = static_cast<uint32_t>(random() % 4);
      const uint8_t owner = kind == 0 ? PageRun::kZeros : static_cast<uint8_t>(kind == 1);
      const uint32_t first = kind == 0 ? 0 : static_cast<uint32_t>(random() % (pages - count));
      runs_.push_back({owner, first, count});
      file_ += kind == 0 ? std::string(count * kPage, '\0')
                         : pools_[owner].substr(first * kPage, count * kPage);
      left -= count;
    }
  }
  void ExpectReads(PageSource& source) const {
    std::mt19937 random(9);
    for (int i = 0; i < 200; ++i) {
      const size_t page = random() % (file_.size() / kPage);
      const size_t count = std::min<size_t>(1 + random() % 30, file_.size() / kPage - page);
      std::string bytes(count * kPage, '?');
      ASSERT_TRUE(source.Read(page * kPage, bytes).has_value());
      ASSERT_TRUE(bytes == std::string_view(file_).substr(page * kPage, count * kPage)) << page;
    }
    std::string bytes(2 * kPage, '?');
    EXPECT_EQ(source.Read(file_.size() - kPage, bytes).error().code(), Code::kCorrupt);
    EXPECT_EQ(source.Read(UINT64_MAX - kPage + 1, bytes).error().code(), Code::kCorrupt);
  }
  Fd NewFile() const {
    Fd file = *Open(home_ / "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(file_.size())), 0);
    return file;
  }
  std::string Content(const Fd& file) const {
    std::string bytes(file_.size(), '?');
    EXPECT_EQ(::pread(file.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return bytes;
  }

  storage::TestDirectory home_;
  SystemEntropy entropy_;
  std::unique_ptr<Files> files_ = DiskFiles();
  std::unique_ptr<storage::Blobs> blobs_ = *storage::Blobs::Open(
      home_.path(), *storage::LoadNodeKey(*files_, home_.path(), entropy_), entropy_);
  std::vector<std::string> pools_;
  std::vector<PageOwner> owners_;
  std::vector<PageRun> runs_;
  std::string file_;
};

TEST_F(ImagePagesTest, SmallOnesAreReadRightByManyAtOnceEvenWhenTheirNamesAreGone) {
  Make(500);
  const auto source = *OpenLatePages(*blobs_, owners_, runs_);
  for (const PageOwner& owner : owners_) ASSERT_TRUE(blobs_->Remove(owner.id).has_value());
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) readers.emplace_back([&] { ExpectReads(*source); });
}

TEST_F(ImagePagesTest, LargeOnesAreReadRightByManyAtOnceEvenWhenTheirNamesAreGone) {
  Make(5000);
  const auto source = *OpenLatePages(*blobs_, owners_, runs_);
  for (const PageOwner& owner : owners_) ASSERT_TRUE(blobs_->Remove(owner.id).has_value());
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) readers.emplace_back([&] { ExpectReads(*source); });
}

TEST_F(ImagePagesTest, ThePagesOfABaseOfWhichLittleIsUsedAreReadAlone) {
  Make(500);
  for (PageRun& run : runs_) {
    if (run.owner == 1) run = {PageRun::kZeros, 0, run.pages};
  }
  runs_.push_back({1, 0, 1});
  runs_.push_back({1, 499, 1});
  const auto source = *OpenLatePages(*blobs_, owners_, runs_);
  std::string bytes(2 * kPage, '?');
  ASSERT_TRUE(source->Read(file_.size(), bytes).has_value());
  EXPECT_TRUE(bytes == pools_[1].substr(0, kPage) + pools_[1].substr(499 * kPage));
}

TEST_F(ImagePagesTest, AllOrSomeOfThemArePutIntoAFile) {
  Make(500);
  const Extent all[] = {{0, file_.size()}};
  const Fd whole = NewFile();
  ASSERT_TRUE(PutPages(*blobs_, owners_, runs_, all, whole).has_value());
  EXPECT_TRUE(Content(whole) == file_);
  const std::vector<Extent> some = {
      {3 * kPage, kPage}, {10 * kPage, 77 * kPage}, {700 * kPage, 50 * kPage}};
  const Fd part = NewFile();
  ASSERT_TRUE(PutPages(*blobs_, owners_, runs_, some, part).has_value());
  std::string expected(file_.size(), '\0');
  for (const Extent& extent : some)
    expected.replace(extent.at, extent.bytes, file_, extent.at, extent.bytes);
  EXPECT_TRUE(Content(part) == expected);
}

TEST_F(ImagePagesTest, ABaseThatIsShorterOrAnothersIsRefused) {
  Make(500);
  const Extent all[] = {{0, file_.size()}};
  owners_[1].begin += 500 * kPage;
  EXPECT_EQ(PutPages(*blobs_, owners_, runs_, all, NewFile()).error().code(), Code::kCorrupt);
  owners_[1].begin -= 500 * kPage;
  owners_[1].bond = "own";
  EXPECT_EQ(PutPages(*blobs_, owners_, runs_, all, NewFile()).error().code(), Code::kCorrupt);
  const auto source = *OpenLatePages(*blobs_, owners_, runs_);
  std::string bytes(file_.size(), '?');
  const auto read = source->Read(0, bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_THAT(read.error().ToString(), testing::HasSubstr(owners_[1].id.hex));
}

}  // namespace
}  // namespace godwit::checkpoint
