#pragma once

// Which pages of a new image are its own, and which lie in images that are there already.
//
// Told by sums of their content (storage::Blobs::SumPieces), so an address plays no part: what has
// moved within the memory is found again. A page of zeros is kept nowhere, equal pages once. A base
// that would be kept for few of its pages is not referred to, and neither are more than kMostBases:
// those pages are written again, so that images which refer to each other never take much more than
// twice what whole ones would. Threads: the pool. Failure: none; ReadPool() as the blobs.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/page_runs.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

// An image that a new one may refer to.
struct ImageBase {
  storage::BlobId id;
  std::string bond;
  bool stays = false;  // it is kept for others anyway: as a base it costs nothing
};

// The pages that an image keeps itself.
struct PagePool {
  uint64_t begin = 0;  // in the blob's content
  uint32_t pages = 0;
  std::string sums;  // kSumBytes each
};
// kUnsupported for an image that was written without sums.
Result<PagePool> ReadPool(storage::Blobs& blobs, const ImageBase& base);

inline constexpr size_t kMostBases = 4;
inline constexpr uint32_t kLeastUse = 16;  // pages of a base that is worth a reference

struct PagePlan {
  std::vector<std::vector<PageRun>> runs;  // of each file
  std::vector<uint32_t> own;               // of each file: how many pages it adds to the pool
  std::vector<std::string_view> pool;      // what is to be written, in the files
  std::string sums;                        // of the pool
  std::vector<size_t> bases;               // of those that were offered; the first is owner 1
};

// `files` are whole pages; `pools` belong to what is offered, the ones to be preferred first, and
// `stays` says the same as ImageBase.
PagePlan PlanPages(storage::Blobs& blobs, std::span<const std::string_view> files,
                   std::span<const PagePool> pools, const std::vector<bool>& stays);

}  // namespace godwit::checkpoint
