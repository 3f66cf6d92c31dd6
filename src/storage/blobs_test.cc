#include "storage/blobs.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "base/try.h"
#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr uint64_t kNoLimit = uint64_t{1} << 40;
constexpr PutOptions kCached{Durability::kCached, Packing::kFast};

// Memory as a process has it: zero pages, pointers, text, and some noise.
std::string Memory(size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string memory;
  memory.reserve(size + 4096);
  while (memory.size() < size) {
    const auto kind = random() % 4;
    for (size_t i = 0; i < 512; ++i) {
      const uint64_t word = kind == 0   ? 0
                            : kind == 1 ? 0x7f0000000000 + random() % 4096 * 16
                            : kind == 2 ? 0x206e6f6974636e75
                                        : random();
      memory.append(reinterpret_cast<const char*>(&word), 8);
    }
  }
  memory.resize(size);
  return memory;
}

class BlobsTest : public testing::Test {
 protected:
  BlobsTest() { Open(); }

  void Open() { blobs_ = *Blobs::Open(directory_.path(), key_, entropy_); }
  Result<BlobId> Put(std::string_view content, PutOptions options = kCached) {
    return blobs_->Put(std::span(&content, 1), options);
  }
  std::string PathOf(const BlobId& id) const {
    return directory_ / ("blobs/" + id.hex.substr(0, 2) + "/" + id.hex.substr(2));
  }
  static ino_t InodeOf(const std::string& path) {
    struct stat st = {};
    return ::stat(path.c_str(), &st) == 0 ? st.st_ino : 0;
  }

  TestDirectory directory_;
  const NodeKey key_{{1, 2, 3}};
  SystemEntropy entropy_;
  std::unique_ptr<Blobs> blobs_;
};

TEST_F(BlobsTest, WhatWasPutComesBackEveryWay) {
  unsigned seed = 0;
  for (const auto size :
       std::initializer_list<size_t>{0, 1, 65'535, 65'536, 524'288, 524'289, 600'000, 3'000'000}) {
    for (const Packing packing : {Packing::kNone, Packing::kFast, Packing::kSmall}) {
      const std::string content = Memory(size, ++seed);
      const auto id = Put(content, {Durability::kDurable, packing});
      ASSERT_TRUE(id.has_value());
      EXPECT_EQ(*blobs_->Get(*id, size), content);
      EXPECT_EQ(*blobs_->Size(*id), size);
      std::string filled(size, 'x');
      EXPECT_TRUE(blobs_->Fill(*id, filled).has_value());
      EXPECT_EQ(filled, content);
      std::string streamed;
      EXPECT_TRUE(blobs_
                      ->Stream(*id,
                               [&](std::string_view piece) -> Result<> {
                                 streamed += piece;
                                 return {};
                               })
                      .has_value());
      EXPECT_EQ(streamed, content);
      EXPECT_TRUE(blobs_->Check(*id).has_value());
      if (size > 100'000 && packing != Packing::kNone) EXPECT_LT(*blobs_->StoredSize(*id), size);
    }
  }
}

TEST_F(BlobsTest, PartsAreJoined) {
  const std::string content = Memory(1'500'000, 5);
  const std::string_view view = content;
  const std::string_view parts[] = {view.substr(0, 10), "", view.substr(10, 700'000),
                                    view.substr(700'010)};
  const auto in_parts = blobs_->Put(parts, kCached);
  ASSERT_TRUE(in_parts.has_value());
  EXPECT_EQ(*in_parts, *Put(content)) << "cuts do not matter to the name";
  EXPECT_EQ(*blobs_->Get(*in_parts, kNoLimit), content);
  const auto nothing = blobs_->Put({}, kCached);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_EQ(*nothing, *Put(""));
}

TEST_F(BlobsTest, AUniqueBlobHasANameOfItsOwnAndATail) {
  for (const size_t size : {size_t{0}, size_t{10}, size_t{524'288}, size_t{3'000'000}}) {
    const std::string content = Memory(size + 700'000, 12);
    const std::string_view front = std::string_view(content).substr(0, 700'000);
    std::vector<BlobId> ids;
    for (int i = 0; i < 2; ++i) {
      size_t at = front.size();
      Tail tail(size, [&](std::span<char> into) -> Result<> {
        content.copy(into.data(), into.size(), at);
        at += into.size();
        return {};
      });
      ids.push_back(*blobs_->PutUnique(std::span(&front, 1), tail, kCached));
      EXPECT_EQ(at, content.size());
      EXPECT_EQ(*blobs_->Get(ids.back(), kNoLimit), content);
      EXPECT_TRUE(blobs_->Check(ids.back()).has_value());
    }
    EXPECT_NE(ids[0], ids[1]);
    EXPECT_NE(ids[0], *Put(content));
    ASSERT_EQ(::rename(PathOf(ids[0]).c_str(), PathOf(ids[1]).c_str()), 0);
    EXPECT_EQ(blobs_->Check(ids[1]).error().code(), Code::kCorrupt) << "a name is bound to a file";
  }
}

TEST_F(BlobsTest, WhatIsBondedOpensWithItsBondAlone) {
  const std::string_view content = "secret";
  Tail none;
  const auto id = blobs_->PutUnique(std::span(&content, 1), none, {.bond = "mine"});
  ASSERT_TRUE(id.has_value());
  const auto read = [&](std::string_view bond) -> Result<std::string> {
    std::string bytes;
    GODWIT_TRY(blobs_->Stream(
        *id,
        [&](std::string_view more) -> Result<> {
          bytes += more;
          return {};
        },
        bond));
    return bytes;
  };
  EXPECT_EQ(*read("mine"), content);
  EXPECT_EQ(read("yours").error().code(), Code::kCorrupt);
  EXPECT_EQ(read("").error().code(), Code::kCorrupt);
  EXPECT_EQ(blobs_->Check(*id).error().code(), Code::kCorrupt);
  EXPECT_EQ(*blobs_->Size(*id), content.size());
}

TEST_F(BlobsTest, ATailThatFailsLeavesNothingBehind) {
  for (const int good : {0, 1, 5}) {
    int calls = 0;
    Tail tail(5'000'000, [&](std::span<char> into) -> Result<> {
      if (calls++ == good) return Fail(Code::kBusy, "it moved");
      std::ranges::fill(into, 'x');
      return {};
    });
    const auto put = blobs_->PutUnique({}, tail, kCached);
    ASSERT_FALSE(put.has_value());
    EXPECT_EQ(put.error().ToString(), "it moved");
    EXPECT_EQ(calls, good + 1);
  }
  EXPECT_THAT(*blobs_->List(), IsEmpty());
}

TEST_F(BlobsTest, TheNameIsTheContentAndTheKey) {
  const auto id = Put("content");
  ASSERT_TRUE(id.has_value());
  EXPECT_TRUE(BlobId::Parse(id->hex).has_value());
  EXPECT_NE(*id, *Put("contenu"));
  EXPECT_NE(*Put(std::string(65'536, 'a')), *Put(std::string(65'537, 'a')));
  const NodeKey other_key{{3, 2, 1}};
  TestDirectory other_directory;
  const auto other = *Blobs::Open(other_directory.path(), other_key, entropy_);
  const std::string_view part = "content";
  EXPECT_NE(*other->Put(std::span(&part, 1), kCached), *id);
  EXPECT_THAT(ReadFile(PathOf(*id)), Not(HasSubstr("content"))) << "nothing is readable";
  struct stat st = {};
  ASSERT_EQ(::stat(PathOf(*id).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777u, 0600u);
}

TEST_F(BlobsTest, SumsTellEqualPiecesAndNothingElse) {
  std::string bytes = std::string(4096, 'a') + std::string(4096, 'b') + std::string(4096, 'a');
  for (int i = 0; i < 200; ++i) bytes += std::string(4096, static_cast<char>(i));
  bytes += "a rest";
  const std::string sums = blobs_->SumPieces(bytes, 4096);
  ASSERT_EQ(sums.size(), 204 * Blobs::kSumBytes);
  const auto sum = [&](size_t i) { return sums.substr(i * Blobs::kSumBytes, Blobs::kSumBytes); };
  EXPECT_EQ(sum(0), sum(2));
  EXPECT_EQ(sum(0), sum(3 + 'a'));
  EXPECT_EQ(sum(1), sum(3 + 'b'));
  EXPECT_EQ(std::set<std::string>({sum(0), sum(1), sum(3), sum(4), sum(203)}).size(), 5U);
  EXPECT_EQ(sum(1), blobs_->SumPieces(std::string(4096, 'b'), 4096));
  EXPECT_EQ(blobs_->SumPieces("", 4096), "");
}

TEST_F(BlobsTest, EqualContentIsWrittenOnce) {
  const std::string content = Memory(700'000, 6);
  const auto id = Put(content);
  const ino_t inode = InodeOf(PathOf(*id));
  EXPECT_EQ(*Put(content, {Durability::kDurable, Packing::kNone}), *id);
  EXPECT_EQ(InodeOf(PathOf(*id)), inode);
  EXPECT_TRUE(blobs_->Sync(*id).has_value());
}

// After a power cut a file that was not synced may be short or hold zeros under its full name.
TEST_F(BlobsTest, PuttingAgainHealsADamagedFile) {
  const std::string content = Memory(700'000, 7);
  const auto id = Put(content);
  const std::string stored = ReadFile(PathOf(*id));
  for (const std::string& damaged :
       {std::string(), stored.substr(0, stored.size() / 2), std::string(stored.size(), '\0'),
        stored.substr(0, stored.size() - 100) + std::string(100, '\0')}) {
    WriteFile(PathOf(*id), damaged);
    const auto read = blobs_->Get(*id, kNoLimit);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), Code::kCorrupt);
    ASSERT_EQ(*Put(content), *id);
    EXPECT_EQ(*blobs_->Get(*id, kNoLimit), content);
  }
  EXPECT_THAT(*blobs_->List(), SizeIs(1));
}

TEST_F(BlobsTest, ErrorsNameTheBlobAndTheWayOut) {
  const BlobId none{std::string(64, 'a')};
  for (const Error& error : {blobs_->Get(none, 1).error(), blobs_->Check(none).error(),
                             blobs_->Size(none).error(), blobs_->StoredSize(none).error(),
                             blobs_->Sync(none).error(), blobs_->Fill(none, {}).error()}) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.ToString(), HasSubstr("the blob '" + none.hex + "'"));
  }
  for (const auto* hex : {"", "a", "../../../etc/passwd"}) {
    EXPECT_EQ(blobs_->Get(BlobId{hex}, 1).error().code(), Code::kNotFound) << hex;
    EXPECT_TRUE(blobs_->Remove(BlobId{hex}).has_value());
  }
  const auto id = Put("0123456789");
  EXPECT_EQ(blobs_->Get(*id, 9).error().code(), Code::kTooLarge);
  std::string small(9, 'x');
  EXPECT_EQ(blobs_->Fill(*id, small).error().code(), Code::kInvalid);
  std::string bytes = ReadFile(PathOf(*id));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  WriteFile(PathOf(*id), bytes);
  EXPECT_EQ(blobs_->Get(*id, 10).error().ToString(),
            fmt::format("cannot read the blob '{}': chunk 1 of 1: its seal does not match, file "
                        "'{}' (put the file back from a backup together with its node.key, or make "
                        "the blob anew)",
                        id->hex, PathOf(*id)));
}

TEST_F(BlobsTest, RemovingTwiceIsNoErrorAndListsAreSorted) {
  std::vector<BlobId> ids;
  for (const auto* text : {"one", "two", "three", "four"}) ids.push_back(*Put(text));
  std::ranges::sort(ids);
  EXPECT_EQ(*blobs_->List(), ids);
  WriteFile(directory_ / "blobs/stray", "not a blob");
  WriteFile(directory_ / ("blobs/" + ids[0].hex.substr(0, 2) + "/stray"), "neither");
  EXPECT_EQ(*blobs_->List(), ids);
  EXPECT_TRUE(blobs_->Remove(ids[1]).has_value());
  EXPECT_TRUE(blobs_->Remove(ids[1]).has_value());
  EXPECT_THAT(*blobs_->List(), ElementsAre(ids[0], ids[2], ids[3]));
}

TEST_F(BlobsTest, TheSinkMayRefuse) {
  const auto id = Put(Memory(3'000'000, 8));
  int calls = 0;
  const auto stopped = blobs_->Stream(*id, [&](std::string_view) -> Result<> {
    if (++calls == 2) return Fail(Code::kNoSpace, "the sink is full");
    return {};
  });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().ToString(), "the sink is full");
  EXPECT_EQ(calls, 2);
}

TEST_F(BlobsTest, ManyThreadsPutAndGetTheSameAndOthers) {
  const std::string shared = Memory(1'200'000, 9);
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (unsigned round = 0; round < 5; ++round) {
        const auto common = Put(shared);
        const std::string own = Memory(300'000, 100 + thread * 10 + round);
        const auto mine = Put(own);
        ASSERT_TRUE(common.has_value() && mine.has_value());
        EXPECT_EQ(*blobs_->Get(*common, kNoLimit), shared);
        EXPECT_EQ(*blobs_->Get(*mine, kNoLimit), own);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(*blobs_->List(), SizeIs(21));
}

TEST_F(BlobsTest, AFullDiskLeavesNothingBehindAndCanBeEmptied) {
  TestDirectory disk;
  const bool mounted = OnSmallDisk(disk.path(), 2048, [&] {
    const auto blobs = *Blobs::Open(disk.path(), key_, entropy_);
    const std::string small = Memory(600'000, 10);
    const std::string large = Memory(8'000'000, 11);
    const std::string_view small_part = small;
    const std::string_view large_part = large;
    const auto kept = blobs->Put(std::span(&small_part, 1), {});
    ASSERT_TRUE(kept.has_value());
    for (const auto durability : {Durability::kCached, Durability::kDurable}) {
      const auto full = blobs->Put(std::span(&large_part, 1), {durability, Packing::kNone});
      ASSERT_FALSE(full.has_value());
      EXPECT_EQ(full.error().code(), Code::kNoSpace);
      EXPECT_THAT(full.error().ToString(),
                  HasSubstr("cannot keep 8000000 bytes in '" + disk.path() + "/blobs'"));
      EXPECT_THAT(full.error().ToString(), HasSubstr("free some space"));
    }
    Tail tail(large.size(), [](std::span<char> into) -> Result<> {
      std::ranges::fill(into, 'x');
      return {};
    });
    EXPECT_EQ(blobs->PutUnique({}, tail, {Durability::kCached, Packing::kNone}).error().code(),
              Code::kNoSpace);
    EXPECT_THAT(*blobs->List(), ElementsAre(*kept));
    for (const auto& entry : std::filesystem::directory_iterator(disk.path() + "/blobs")) {
      EXPECT_TRUE(entry.is_directory()) << entry.path();
    }
    EXPECT_EQ(*blobs->Get(*kept, kNoLimit), small);
    const std::string_view fits = std::string_view(large).substr(0, 700'000);
    EXPECT_TRUE(blobs->Put(std::span(&fits, 1), {}).has_value()) << "the space came back";
  });
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
}

// The wish is read once a process, so a process of its own makes it.
TEST_F(BlobsTest, AFaultPointCanFillTheDisk) {
#ifndef GODWIT_FAULTS
  GTEST_SKIP() << "fault points are not compiled in";
#endif
  if (const char* wish = std::getenv("GODWIT_FAULT"); wish != nullptr) {
    const auto full = Put("content");
    ASSERT_FALSE(full.has_value());
    EXPECT_EQ(full.error().code(), Code::kNoSpace);
    EXPECT_THAT(full.error().ToString(), HasSubstr("free some space"));
    EXPECT_THAT(*blobs_->List(), IsEmpty());
    EXPECT_TRUE(Put("content").has_value()) << "once";
    return;
  }
  const std::string self = fmt::format(
      "GODWIT_FAULT=203:fail '{}' --gtest_filter=BlobsTest.AFaultPointCanFillTheDisk >/dev/null",
      std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_EQ(std::system(self.c_str()), 0);
}

TEST_F(BlobsTest, WhatACrashLeftIsSweptAtTheNextStart) {
  const auto id = Put("kept");
  WriteFile(directory_ / "blobs/part-1234", "half a blob");
  Open();
  EXPECT_FALSE(std::filesystem::exists(directory_ / "blobs/part-1234"));
  EXPECT_EQ(*blobs_->Get(*id, 4), "kept");
}

TEST_F(BlobsTest, AnyPartIsReadAlone) {
  const std::string content = Memory(700'001, 7);
  for (const uint32_t chunk : {kLeastBlobChunk, kBlobChunkBytes}) {
    PutOptions options = kCached;
    options.chunk_bytes = chunk;
    Tail none;
    const std::string_view whole = content;
    const auto id = blobs_->PutUnique(std::span(&whole, 1), none, options);
    ASSERT_TRUE(id.has_value());
    const auto reader = blobs_->OpenReader(*id);
    ASSERT_TRUE(reader.has_value());
    ASSERT_TRUE(blobs_->Remove(*id).has_value()) << "whoever reads it goes on";
    EXPECT_EQ((*reader)->size(), content.size());
    std::mt19937 random(1);
    for (int turn = 0; turn < 200; ++turn) {
      const size_t from = random() % content.size();
      const size_t size = random() % std::min<size_t>(200'000, content.size() - from + 1);
      std::string part(size, '?');
      ASSERT_TRUE((*reader)->Read(from, part).has_value());
      ASSERT_EQ(part, content.substr(from, size)) << from;
    }
    std::string beyond(2, '?');
    EXPECT_EQ((*reader)->Read(content.size() - 1, beyond).error().code(), Code::kTooLarge);
  }
}

TEST_F(BlobsTest, ARangeIsStreamedAlone) {
  const std::string content = Memory(400'000, 8);
  PutOptions options = kCached;
  options.chunk_bytes = kLeastBlobChunk;
  const auto id = Put(content, options);
  const uint64_t size = content.size();
  for (const BlobRange range :
       {BlobRange{0, 0}, BlobRange{1, 2}, BlobRange{65'536, 131'072}, BlobRange{65'535, 131'073},
        BlobRange{size - 1, size}, BlobRange{size, size}, BlobRange{100, UINT64_MAX}}) {
    std::string streamed;
    const auto add = [&](std::string_view bytes) -> Result<> {
      streamed += bytes;
      return {};
    };
    ASSERT_TRUE(blobs_->Stream(*id, add, {}, range).has_value());
    EXPECT_EQ(streamed, content.substr(range.from, range.to - range.from)) << range.from;
  }
}

}  // namespace
}  // namespace godwit::storage
