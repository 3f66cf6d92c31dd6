#include "storage/blob_format.h"

#include <algorithm>
#include <bit>

#include "base/try.h"

namespace godwit::storage {
namespace {

constexpr std::string_view kMagic = "godwblob";
constexpr uint16_t kVersion = 1;
constexpr uint16_t kBondedVersion = 2;  // a program that knows 1 alone would call it damaged
constexpr uint32_t kPackedBit = uint32_t{1} << 31;

template <typename Word>
void Append(std::string& to, Word word) {
  for (size_t i = 0; i < sizeof(Word); ++i) to += static_cast<char>(word >> (8 * i));
}

// Takes a little-endian word off the front; the caller has checked that it is there.
template <typename Word>
Word Take(std::string_view& from) {
  uint64_t word = 0;
  for (size_t i = 0; i < sizeof(Word); ++i) {
    word |= uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  }
  from.remove_prefix(sizeof(Word));
  return static_cast<Word>(word);
}

}  // namespace

uint64_t BlobHeader::Chunks() const {
  return plain_bytes == 0 ? 1 : (plain_bytes - 1) / chunk_bytes + 1;
}

uint32_t BlobHeader::PlainOf(uint64_t chunk) const {
  return static_cast<uint32_t>(std::min<uint64_t>(chunk_bytes, plain_bytes - chunk * chunk_bytes));
}

std::string EncodeBlobHeader(const BlobHeader& header) {
  std::string bytes(kMagic);
  Append(bytes, header.bonded ? kBondedVersion : kVersion);
  Append(bytes, static_cast<uint8_t>(header.cipher));
  Append(bytes, static_cast<uint8_t>(header.unique ? 1 : 0));
  Append(bytes, header.chunk_bytes);
  Append(bytes, header.plain_bytes);
  bytes.append(header.salt.data(), header.salt.size());
  return bytes;
}

Result<BlobHeader> DecodeBlobHeader(std::string_view bytes, uint64_t file_bytes) {
  if (bytes.size() < kBlobHeaderBytes) return Fail(Code::kCorrupt, "it ends within its header");
  if (!bytes.starts_with(kMagic)) return Fail(Code::kCorrupt, "it does not begin as a blob does");
  bytes.remove_prefix(kMagic.size());
  const auto version = Take<uint16_t>(bytes);
  if (version != kVersion && version != kBondedVersion) {
    return Fail(Code::kUnsupported, "its format has version {}, and this program knows {} and {}",
                version, kVersion, kBondedVersion);
  }
  BlobHeader header;
  header.bonded = version == kBondedVersion;
  const auto cipher = Take<uint8_t>(bytes);
  const auto naming = Take<uint8_t>(bytes);
  header.unique = naming == 1;
  header.cipher = static_cast<Cipher>(cipher);
  header.chunk_bytes = Take<uint32_t>(bytes);
  header.plain_bytes = Take<uint64_t>(bytes);
  bytes.copy(header.salt.data(), header.salt.size());
  const bool known_cipher =
      header.cipher == Cipher::kAes256Gcm || header.cipher == Cipher::kChaCha20Poly1305;
  if (!known_cipher || naming > 1 || !std::has_single_bit(header.chunk_bytes) ||
      header.chunk_bytes < kLeastBlobChunk || header.chunk_bytes > kMostBlobChunk) {
    return Fail(Code::kCorrupt, "its header holds what no blob has");
  }
  // Compared by the count of chunks, for a damaged size could overflow what is computed from it.
  if (header.Chunks() > file_bytes / (kBlobEntryBytes + Seal::kTagBytes)) {
    return Fail(Code::kCorrupt, "it is too short for the {} bytes it should hold",
                header.plain_bytes);
  }
  return header;
}

std::string EncodeBlobTable(std::span<const BlobEntry> entries) {
  std::string bytes;
  bytes.reserve(entries.size() * kBlobEntryBytes);
  for (const auto& entry : entries) {
    Append(bytes, entry.at);
    Append(bytes, entry.stored_bytes | (entry.packed ? kPackedBit : 0));
  }
  return bytes;
}

Result<std::vector<BlobEntry>> DecodeBlobTable(const BlobHeader& header, std::string_view bytes,
                                               uint64_t file_bytes) {
  const uint64_t chunks = header.Chunks();
  if (bytes.size() < chunks * kBlobEntryBytes) {
    return Fail(Code::kCorrupt, "it ends within the table of its chunks");
  }
  std::vector<BlobEntry> entries(chunks);
  for (uint64_t i = 0; i < chunks; ++i) {
    BlobEntry& entry = entries[i];
    entry.at = Take<uint64_t>(bytes);
    const auto stored = Take<uint32_t>(bytes);
    entry.packed = (stored & kPackedBit) != 0;
    entry.stored_bytes = stored & ~kPackedBit;
    const uint64_t unpacked = header.PlainOf(i) + Seal::kTagBytes;
    if (entry.packed ? entry.stored_bytes <= Seal::kTagBytes || entry.stored_bytes >= unpacked
                     : entry.stored_bytes != unpacked) {
      return Fail(Code::kCorrupt, "chunk {} of {} has an impossible size", i + 1, chunks);
    }
  }
  std::vector<BlobEntry> placed = entries;
  std::ranges::sort(placed, {}, &BlobEntry::at);
  uint64_t end = header.FrontBytes();
  for (const auto& entry : placed) {
    if (entry.at != end) return Fail(Code::kCorrupt, "its chunks do not lie one after the other");
    end += entry.stored_bytes;
  }
  if (end != file_bytes) {
    return Fail(Code::kCorrupt, "it has {} bytes instead of {}", file_bytes, end);
  }
  return entries;
}

std::string BoundToChunk(std::string_view id_bytes, std::string_view header_bytes, uint64_t chunk,
                         bool last) {
  std::string bound;
  bound.reserve(id_bytes.size() + header_bytes.size() + 9);
  bound += id_bytes;
  bound += header_bytes;
  Append(bound, chunk);
  Append(bound, static_cast<uint8_t>(last));
  return bound;
}

}  // namespace godwit::storage
