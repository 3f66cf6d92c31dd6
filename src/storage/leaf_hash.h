#pragma once

// Keyed BLAKE2b-256 (RFC 7693) of many leaves at once, one vector lane a leaf.
//
// For content addresses, where one hash after the other costs more than sealing and writing
// together. The digest of each leaf is exactly what any BLAKE2b gives: lanes only share
// instructions, and a processor without AVX2 gets libsodium's. Threads: any. Failure: none.
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace godwit::storage {

using Digest = std::array<unsigned char, 32>;

// The digest of each of `leaves` in its place of `into`. Leaves of one size, a multiple of 128
// bytes, go through the lanes; from the first of another size on each goes alone.
inline constexpr size_t kLeafBytes = size_t{64} << 10;
void HashLeaves(const Digest& key, std::span<const std::string_view> leaves,
                std::span<Digest> into);

// One digest, of text in pieces.
Digest HashPieces(const Digest& key, std::span<const std::string_view> pieces);

}  // namespace godwit::storage
