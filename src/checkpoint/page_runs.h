#pragma once

// Where the pages of a file of CRIU's are that an image has: among its own, in another image that
// it refers to (a base), or nowhere, because they are zeros.
//
// An image's own pages lie in one row in its blob, its pool, each content once; a run is some of
// them in order. Threads: values. Failure: none; manifest.h checks what is read.
#include <cstdint>
#include <vector>

namespace godwit::checkpoint {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kSumBytes = 16;  // of a page's sum (storage::Blobs::SumPieces)

struct PageRun {
  static constexpr uint8_t kOwn = 0;      // bases count from 1
  static constexpr uint8_t kZeros = 255;  // `first` is 0
  static constexpr uint32_t kMost = UINT32_MAX;
  uint8_t owner = kOwn;
  uint32_t first = 0;  // in the owner's pool
  uint32_t pages = 0;
  bool operator==(const PageRun&) const = default;
};

// Adds a page at the end: to the last run, if it goes on there.
inline void AppendPage(std::vector<PageRun>& runs, uint8_t owner, uint32_t place) {
  if (!runs.empty() && runs.back().owner == owner && runs.back().pages < PageRun::kMost &&
      (owner == PageRun::kZeros || runs.back().first + runs.back().pages == place)) {
    ++runs.back().pages;
    return;
  }
  runs.push_back({owner, owner == PageRun::kZeros ? 0 : place, 1});
}

}  // namespace godwit::checkpoint
