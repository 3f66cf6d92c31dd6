#include "storage/content_hash.h"

#include <algorithm>

namespace godwit::storage {
namespace {

// What one thread takes at a time: as many leaves as the widest processor has lanes.
constexpr size_t kStride = 8 * kLeafBytes;

size_t LeavesOf(uint64_t bytes) {
  return static_cast<size_t>((bytes + kLeafBytes - 1) / kLeafBytes);
}

void HashPart(const Digest& key, std::string_view bytes, std::span<Digest> into) {
  std::vector<std::string_view> leaves(LeavesOf(bytes.size()));
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i] = bytes.substr(i * kLeafBytes, kLeafBytes);
  HashLeaves(key, leaves, into);
}

Digest HashRoot(const Digest& key, uint64_t size, std::span<const Digest> leaves) {
  std::array<char, 8> length;
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>(size >> (8 * i));
  const std::string_view pieces[] = {
      {length.data(), length.size()},
      {reinterpret_cast<const char*>(leaves.data()), leaves.size_bytes()}};
  return HashPieces(key, pieces);
}

}  // namespace

HashKeys::HashKeys(const NodeKey& key)
    : leaf(key.Derive("godwit blob leaf v1")), root(key.Derive("godwit blob root v1")) {}

Digest HashContent(const HashKeys& keys, const Content& content, Crew& crew, Benches& benches) {
  std::vector<Digest> leaves(LeavesOf(content.size()));
  crew.ForEach(static_cast<size_t>((content.size() + kStride - 1) / kStride), [&](size_t i) {
    const Benches::Lent bench(benches);
    const uint64_t at = uint64_t{i} * kStride;
    const auto length = static_cast<size_t>(std::min<uint64_t>(kStride, content.size() - at));
    HashPart(keys.leaf, content.At(at, length, bench->plain),
             std::span(leaves).subspan(static_cast<size_t>(at / kLeafBytes), LeavesOf(length)));
  });
  return HashRoot(keys.root, content.size(), leaves);
}

void RunningHash::Add(std::string_view piece) {
  const size_t had = leaves_.size();
  leaves_.resize(had + LeavesOf(piece.size()));
  HashPart(keys_.leaf, piece, std::span(leaves_).subspan(had));
  size_ += piece.size();
}

Digest RunningHash::Finish() const { return HashRoot(keys_.root, size_, leaves_); }

}  // namespace godwit::storage
