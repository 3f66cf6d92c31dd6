#include "storage/leaf_hash.h"

#include <sodium.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace godwit::storage {
namespace {

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

#if defined(__x86_64__)

constexpr size_t kBlock = 128;
constexpr size_t kMostLanes = 8;

constexpr std::array<uint64_t, 8> kInit = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// RFC 7693 section 2.7; rounds 10 and 11 are 0 and 1 again.
constexpr unsigned char kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                          {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                          {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                          {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                          {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                          {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                          {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                          {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                          {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                          {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

// Everything below is inlined into the two functions that say which instructions they may use, so
// that one text serves both widths.
#define GODWIT_INLINE __attribute__((always_inline)) inline

template <size_t lanes>
struct Vector {
  typedef uint64_t Type __attribute__((vector_size(lanes * 8)));
};

template <int by, typename V>
GODWIT_INLINE void Turn(V& word) {
  word = (word >> by) | (word << (64 - by));
}

template <typename V>
GODWIT_INLINE void Mix(V& a, V& b, V& c, V& d, const V& x, const V& y) {
  a += b + x;
  d ^= a;
  Turn<32>(d);
  c += d;
  b ^= c;
  Turn<24>(b);
  a += b + y;
  d ^= a;
  Turn<16>(d);
  c += d;
  b ^= c;
  Turn<63>(b);
}

template <int round, typename V>
GODWIT_INLINE void Round(V* v, const V* m) {
  const auto& s = kSigma[round % 10];
  Mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  Mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  Mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  Mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  Mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  Mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  Mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  Mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

template <size_t lanes, typename V>
GODWIT_INLINE void Compress(V* h, const unsigned char* const* from, size_t at, uint64_t count,
                            bool last) {
  V m[16];
  V v[16];
  for (size_t word = 0; word < 16; ++word) {
    for (size_t lane = 0; lane < lanes; ++lane) {
      uint64_t value = 0;
      std::memcpy(&value, from[lane] + at + word * 8, 8);
      m[word][lane] = value;
    }
  }
  for (size_t i = 0; i < 8; ++i) {
    v[i] = h[i];
    v[i + 8] = V{} + kInit[i];
  }
  v[12] ^= V{} + count;
  if (last) v[14] = ~v[14];
  [&]<int... rounds>(std::integer_sequence<int, rounds...>) __attribute__((always_inline)) {
    (Round<rounds>(v, m), ...);
  }(std::make_integer_sequence<int, 12>());
  for (size_t i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[i + 8];
}

template <size_t lanes>
GODWIT_INLINE void HashLanes(const Digest& key, const unsigned char* const* leaves,
                             size_t leaf_bytes, Digest* into) {
  using V = typename Vector<lanes>::Type;
  V h[8];
  for (size_t i = 0; i < 8; ++i) h[i] = V{} + kInit[i];
  h[0] ^= V{} + (uint64_t{0x01010000} ^ (sizeof(Digest) << 8) ^ sizeof(Digest));
  unsigned char key_block[kBlock] = {};
  std::memcpy(key_block, key.data(), key.size());
  const unsigned char* keys[lanes];
  for (auto& lane : keys) lane = key_block;
  Compress<lanes>(h, keys, 0, kBlock, false);
  for (size_t at = 0; at < leaf_bytes; at += kBlock) {
    Compress<lanes>(h, leaves, at, at + 2 * kBlock, at + kBlock == leaf_bytes);
  }
  for (size_t lane = 0; lane < lanes; ++lane) {
    for (size_t i = 0; i < sizeof(Digest) / 8; ++i) {
      const uint64_t word = h[i][lane];
      std::memcpy(into[lane].data() + i * 8, &word, 8);
    }
  }
}

__attribute__((target("avx512f"))) void Hash8(const Digest& key, const unsigned char* const* leaves,
                                              size_t leaf_bytes, Digest* into) {
  HashLanes<8>(key, leaves, leaf_bytes, into);
}

__attribute__((target("avx2"))) void Hash4(const Digest& key, const unsigned char* const* leaves,
                                           size_t leaf_bytes, Digest* into) {
  HashLanes<4>(key, leaves, leaf_bytes, into);
}

size_t LanesHere() {
  if (__builtin_cpu_supports("avx512f")) return 8;
  return __builtin_cpu_supports("avx2") ? 4 : 1;
}

// Hashes the leaves at the front that are of one size, if that is a number of whole blocks, and
// says how many.
size_t HashFullLeaves(const Digest& key, std::span<const std::string_view> leaves,
                      std::span<Digest> into) {
  static const size_t lanes_here = LanesHere();
  if (lanes_here == 1 || leaves.empty()) return 0;
  const size_t leaf_bytes = leaves.front().size();
  if (leaf_bytes == 0 || leaf_bytes % kBlock != 0) return 0;
  size_t full = 1;
  while (full < leaves.size() && leaves[full].size() == leaf_bytes) ++full;
  for (size_t first = 0; first < full; first += lanes_here) {
    const size_t count = std::min(lanes_here, full - first);
    const unsigned char* lane_leaves[kMostLanes];
    Digest digests[kMostLanes];
    for (size_t lane = 0; lane < lanes_here; ++lane) {
      lane_leaves[lane] = Raw(leaves[first + (lane < count ? lane : 0)]);  // idle lanes repeat one
    }
    (lanes_here == 8 ? Hash8 : Hash4)(key, lane_leaves, leaf_bytes, digests);
    for (size_t lane = 0; lane < count; ++lane) into[first + lane] = digests[lane];
  }
  return full;
}

#else

size_t HashFullLeaves(const Digest&, std::span<const std::string_view>, std::span<Digest>) {
  return 0;
}

#endif

}  // namespace

void HashLeaves(const Digest& key, std::span<const std::string_view> leaves,
                std::span<Digest> into) {
  for (size_t i = HashFullLeaves(key, leaves, into); i < leaves.size(); ++i) {
    into[i] = HashPieces(key, leaves.subspan(i, 1));
  }
}

Digest HashPieces(const Digest& key, std::span<const std::string_view> pieces) {
  crypto_generichash_state state;
  Digest digest;
  crypto_generichash_init(&state, key.data(), key.size(), digest.size());
  for (const auto piece : pieces) crypto_generichash_update(&state, Raw(piece), piece.size());
  crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

}  // namespace godwit::storage
