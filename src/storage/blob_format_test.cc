#include "storage/blob_format.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "base/bytes.h"

namespace godwit::storage {
namespace {

// Two chunks, the second one stored first.
BlobHeader SomeHeader() {
  BlobHeader header{.cipher = Cipher::kChaCha20Poly1305,
                    .chunk_bytes = kLeastBlobChunk,
                    .plain_bytes = kLeastBlobChunk + 5};
  header.salt.fill('s');
  return header;
}
constexpr uint64_t kFront = kBlobHeaderBytes + 2 * kBlobEntryBytes;
const std::vector<BlobEntry> two_entries = {
    {.at = kFront + 21, .stored_bytes = 100, .packed = true},
    {.at = kFront, .stored_bytes = 21, .packed = false}};
constexpr uint64_t kFileBytes = kFront + 121;

TEST(BlobFormatTest, WhatIsEncodedDecodes) {
  const std::string bytes = EncodeBlobHeader(SomeHeader());
  ASSERT_EQ(bytes.size(), kBlobHeaderBytes);
  const auto header = DecodeBlobHeader(bytes, kFileBytes);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(EncodeBlobHeader(*header), bytes);
  EXPECT_EQ(header->Chunks(), 2u);
  EXPECT_EQ(header->PlainOf(0), kLeastBlobChunk);
  EXPECT_EQ(header->PlainOf(1), 5u);
  EXPECT_EQ(header->FrontBytes(), kFront);
  const auto entries = DecodeBlobTable(*header, EncodeBlobTable(two_entries), kFileBytes);
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(EncodeBlobTable(*entries), EncodeBlobTable(two_entries));
}

TEST(BlobFormatTest, AnEmptyBlobHasOneChunk) {
  const BlobHeader header{.plain_bytes = 0};
  EXPECT_EQ(header.Chunks(), 1u);
  EXPECT_EQ(header.PlainOf(0), 0u);
  const BlobHeader full{.plain_bytes = kBlobChunkBytes};
  EXPECT_EQ(full.Chunks(), 1u);
  EXPECT_EQ(full.PlainOf(0), kBlobChunkBytes);
}

TEST(BlobFormatTest, RefusesHeadersThatCannotBe) {
  const std::string good = EncodeBlobHeader(SomeHeader());
  const auto code_with = [&](size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    const auto header = DecodeBlobHeader(bytes, kFileBytes);
    return header ? std::nullopt : std::optional(header.error().code());
  };
  EXPECT_EQ(code_with(0, 'G'), Code::kCorrupt) << "magic";
  EXPECT_EQ(code_with(8, 3), Code::kUnsupported) << "version";
  EXPECT_EQ(code_with(10, 3), Code::kCorrupt) << "cipher";
  EXPECT_EQ(code_with(11, 2), Code::kCorrupt) << "naming";
  EXPECT_EQ(code_with(12, 1), Code::kCorrupt) << "chunk size";
  EXPECT_EQ(code_with(15, 1), Code::kCorrupt) << "chunk size";
  EXPECT_EQ(code_with(23, 1), Code::kCorrupt) << "a size that the file cannot hold";
  EXPECT_EQ(code_with(24, 's'), std::nullopt) << "the salt may be anything";
  EXPECT_EQ(DecodeBlobHeader(good.substr(0, 55), 55).error().code(), Code::kCorrupt);
}

TEST(BlobFormatTest, RefusesTablesThatCannotBe) {
  const auto refused = [](std::vector<BlobEntry> entries, uint64_t file_bytes) {
    return !DecodeBlobTable(SomeHeader(), EncodeBlobTable(entries), file_bytes).has_value();
  };
  EXPECT_FALSE(refused(two_entries, kFileBytes));
  EXPECT_TRUE(refused(two_entries, kFileBytes - 1)) << "cut off";
  EXPECT_TRUE(refused(two_entries, kFileBytes + 1)) << "something follows";
  auto entries = two_entries;
  entries[0].at -= 1;
  EXPECT_TRUE(refused(entries, kFileBytes)) << "overlap";
  entries = two_entries;
  entries[1].stored_bytes = 22;
  EXPECT_TRUE(refused(entries, kFileBytes + 1)) << "longer than its plain text";
  entries = two_entries;
  entries[1].packed = true;
  EXPECT_TRUE(refused(entries, kFileBytes)) << "packed, but no smaller";
  entries = two_entries;
  entries[0].stored_bytes = Seal::kTagBytes;
  EXPECT_TRUE(refused(entries, kFront + 21 + Seal::kTagBytes)) << "nothing in it";
  EXPECT_FALSE(DecodeBlobTable(SomeHeader(), "short", kFileBytes).has_value());
}

RC_GTEST_PROP(BlobFormatTest, AnyBytesAreRefusedOrConsistent, (std::string bytes)) {
  std::string header_bytes = EncodeBlobHeader(SomeHeader());
  for (const char c : bytes) {
    header_bytes[*rc::gen::inRange<size_t>(8, 24)] = c;
  }
  const auto header = DecodeBlobHeader(header_bytes, 1000);
  if (header) RC_ASSERT(header->FrontBytes() < 1000 + kBlobHeaderBytes);
}

TEST(BlobFormatTest, EachChunkIsBoundToItsPlace) {
  EXPECT_EQ(ToHex(BoundToChunk("I", "H", 0x0203, true)), "4948030200000000000001");
  EXPECT_NE(BoundToChunk("I", "H", 1, true), BoundToChunk("I", "H", 1, false));
}

}  // namespace
}  // namespace godwit::storage
