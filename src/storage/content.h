#pragma once

// Bytes in several pieces, seen as one text that is worked on chunk by chunk.
//
// Lets a caller store what it has in hand (files mapped one by one, a header and a body) without
// joining it first. Only a chunk that spans pieces is copied. Threads: any, concurrently; each has
// a scratch buffer of its own. Lifetime: the pieces outlive it. Failure: none.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::storage {

class Content {
 public:
  explicit Content(std::span<const std::string_view> pieces);

  uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  // The `length` bytes from `at` on, in place or joined in `scratch`.
  std::string_view At(uint64_t at, size_t length, std::string& scratch) const;

 private:
  std::span<const std::string_view> pieces_;
  std::vector<uint64_t> ends_;  // of each piece, within the whole
};

}  // namespace godwit::storage
