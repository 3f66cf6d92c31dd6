#pragma once

// Which pages of a new image are its own, and which lie in images that are there already.
//
// Told by sums of their content (storage::Blobs::SumPieces), so an address plays no part: what has
// moved within the memory is found again. A page of zeros is kept nowhere, equal pages once. A base
// that would be kept for few of its pages is not referred to, and neither are more than kMostBases:
// those pages are written again, so that images which refer to each other never take much more than
// twice what whole ones would. Threads: the pool. Failure: none; ReadPool() as the blobs.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/manifest.h"
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
  std::vector<uint64_t> pool;              // what is to be written: pages, counted over all files
  std::string sums;                        // of the pool
  std::vector<size_t> bases;               // of those that were offered; the first is owner 1
};

using PageSum = std::array<char, kSumBytes>;
// Of a row of sums.
PageSum SumAt(std::string_view sums, size_t page);
struct PageSumHash {
  size_t operator()(const PageSum& sum) const;  // they are hashes already
};

// A page of which no more than its sum is known.
struct SummedPage {
  bool zero = false;
  PageSum sum{};
};
std::vector<SummedPage> SumPages(storage::Blobs& blobs, std::string_view file);

// `files` are all pages of each; `pools` belong to what is offered, the ones to be preferred first,
// and `stays` says the same as ImageBase.
PagePlan PlanPages(std::span<const std::vector<SummedPage>> files, std::span<const PagePool> pools,
                   const std::vector<bool>& stays);

// The pools of those bases that can be read: one that cannot is as if it were not there.
struct OfferedPools {
  std::vector<PagePool> pools;
  std::vector<bool> stays;
  std::vector<size_t> offered;  // their places among the bases
};
OfferedPools ReadPools(storage::Blobs& blobs, std::span<const ImageBase> bases);

// Puts a plan into a manifest whose entries end with the files of pages that it is of: their runs,
// the sums behind them, the bases before all. From then on plan.bases are places in `bases`.
void WritePlan(PagePlan& plan, const OfferedPools& offered, std::span<const ImageBase> bases,
               std::vector<ImageEntry>& entries);

// A page at the end of what is to be written, joined with the one before it where they lie side by
// side.
void AddPiece(std::vector<std::string_view>& pieces, std::string_view page);

// The pages of a plan's pool in the files themselves.
std::vector<std::string_view> PagesAt(std::span<const std::string_view> files,
                                      std::span<const uint64_t> numbers);

}  // namespace godwit::checkpoint
