#include "storage/leaf_hash.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <random>
#include <string>
#include <vector>

namespace godwit::storage {
namespace {

// Both widths are tried on a machine that has them; what they give must be what libsodium gives.
void ExpectAsLibsodium(const std::vector<size_t>& sizes) {
  std::mt19937_64 random(7);
  Digest key;
  for (auto& byte : key) byte = static_cast<unsigned char>(random());
  std::vector<std::string> texts;
  for (const size_t size : sizes) {
    std::string& text = texts.emplace_back(size, '\0');
    for (auto& c : text) c = static_cast<char>(random());
  }
  for (size_t count = 0; count <= texts.size(); ++count) {
    const std::vector<std::string_view> leaves(texts.end() - static_cast<ptrdiff_t>(count),
                                               texts.end());
    std::vector<Digest> digests(count);
    HashLeaves(key, leaves, digests);
    for (size_t i = 0; i < count; ++i) {
      Digest expected;
      crypto_generichash(expected.data(), expected.size(),
                         reinterpret_cast<const unsigned char*>(leaves[i].data()), leaves[i].size(),
                         key.data(), key.size());
      EXPECT_EQ(digests[i], expected) << "leaf " << i << " of " << count;
    }
  }
}

TEST(LeafHashTest, EachLeafHashesAsLibsodiumHashesIt) {
  std::vector<size_t> sizes(10, kLeafBytes);
  sizes.push_back(1000);
  ExpectAsLibsodium(sizes);
}

TEST(LeafHashTest, LeavesOfAnotherSizeDoToo) {
  ExpectAsLibsodium(std::vector<size_t>(19, 4096));
  ExpectAsLibsodium({128, 128, 0, 128});
  ExpectAsLibsodium({100, 100, 100});
}

TEST(LeafHashTest, PiecesHashAsTheWholeDoes) {
  const Digest key = {1, 2, 3};
  const std::string_view whole[] = {"one two three"};
  const std::string_view pieces[] = {"one ", "", "two three"};
  const std::string_view other[] = {"one two thref"};
  EXPECT_EQ(HashPieces(key, whole), HashPieces(key, pieces));
  EXPECT_NE(HashPieces(key, whole), HashPieces(key, other));
  EXPECT_NE(HashPieces(key, whole), HashPieces(Digest{}, whole));
}

}  // namespace
}  // namespace godwit::storage
