#pragma once

// The front of a blob file: its header and the table of its chunks. The page is
// docs/formats/blob.md.
//
// Bytes here come from a disk that may have been damaged or changed: everything is checked before
// it is used as a size or a place, and nothing is allocated that the file is not big enough for.
// Threads: values. Failure: kCorrupt; kUnsupported for a version this program does not know.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "storage/seal.h"

namespace godwit::storage {

inline constexpr size_t kBlobHeaderBytes = 56;
inline constexpr size_t kBlobEntryBytes = 12;
// What this program writes; it reads any power of two between the bounds.
inline constexpr uint32_t kBlobChunkBytes = uint32_t{512} << 10;
inline constexpr uint32_t kLeastBlobChunk = uint32_t{64} << 10;
inline constexpr uint32_t kMostBlobChunk = uint32_t{4} << 20;

struct BlobHeader {
  Cipher cipher = Cipher::kAes256Gcm;
  bool unique = false;  // its name is random, not a hash of the content
  bool bonded = false;  // it opens only together with what it was sealed with beside the node's key
  uint32_t chunk_bytes = kBlobChunkBytes;
  uint64_t plain_bytes = 0;
  std::array<char, 32> salt = {};

  // At least one: the chunk of an empty blob is empty, and sealed.
  uint64_t Chunks() const;
  // How much plain text the chunk holds.
  uint32_t PlainOf(uint64_t chunk) const;
  // Header and table together; the first chunk may begin here.
  uint64_t FrontBytes() const { return kBlobHeaderBytes + kBlobEntryBytes * Chunks(); }
};

// Where a chunk lies. Chunks lie in the order in which they were finished, without gaps.
struct BlobEntry {
  uint64_t at = 0;
  uint32_t stored_bytes = 0;  // with the tag
  bool packed = false;
};

std::string EncodeBlobHeader(const BlobHeader& header);
// Reads the header from the first kBlobHeaderBytes of `bytes`; `file_bytes` is the size of the
// file.
Result<BlobHeader> DecodeBlobHeader(std::string_view bytes, uint64_t file_bytes);

std::string EncodeBlobTable(std::span<const BlobEntry> entries);
// Reads the table that follows the header, and checks that the chunks fill the file exactly.
Result<std::vector<BlobEntry>> DecodeBlobTable(const BlobHeader& header, std::string_view bytes,
                                               uint64_t file_bytes);

// What is bound to a chunk without being stored in it: it opens only as this chunk of this blob.
std::string BoundToChunk(std::string_view id_bytes, std::string_view header_bytes, uint64_t chunk,
                         bool last);

}  // namespace godwit::storage
