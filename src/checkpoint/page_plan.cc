#include "checkpoint/page_plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "base/try.h"
#include "checkpoint/manifest.h"

namespace godwit::checkpoint {
namespace {

using Sum = std::array<char, kSumBytes>;

Sum SumAt(std::string_view sums, size_t page) {
  Sum sum;
  std::memcpy(sum.data(), sums.data() + page * kSumBytes, kSumBytes);
  return sum;
}

struct SumHash {
  size_t operator()(const Sum& sum) const {
    size_t word = 0;
    std::memcpy(&word, sum.data(), sizeof word);
    return word;
  }
};

struct Place {
  size_t base = 0;
  uint32_t page = 0;
};
using Places = std::unordered_map<Sum, Place, SumHash>;

bool IsZero(std::string_view page) {
  uint64_t first = 0;
  std::memcpy(&first, page.data(), sizeof first);
  return first == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

// One page of the new image.
struct Page {
  bool zero = false;
  Sum sum;
};

// In which of the bases that are still in question each sum is found first.
Places Find(std::span<const PagePool> pools, const std::vector<size_t>& bases) {
  Places places;
  size_t pages = 0;
  for (const size_t base : bases) pages += pools[base].pages;
  places.reserve(pages);
  for (const size_t base : bases) {
    for (uint32_t i = 0; i < pools[base].pages; ++i)
      places.try_emplace(SumAt(pools[base].sums, i), Place{base, i});
  }
  return places;
}

// How many pages of each base are referred to.
std::vector<uint32_t> CountUse(const Places& places, const std::vector<Page>& pages, size_t bases) {
  std::vector<uint32_t> used(bases, 0);
  std::unordered_map<Sum, bool, SumHash> seen;
  for (const Page& page : pages) {
    if (page.zero) continue;
    const auto found = places.find(page.sum);
    if (found != places.end() && seen.try_emplace(page.sum, true).second)
      ++used[found->second.base];
  }
  return used;
}

// Leaves those that are worth it.
Places Choose(std::span<const PagePool> pools, const std::vector<bool>& stays,
              const std::vector<Page>& pages, std::vector<size_t>& bases) {
  while (true) {
    Places places = Find(pools, bases);
    if (bases.empty()) return places;
    const std::vector<uint32_t> used = CountUse(places, pages, pools.size());
    const auto worth = [&](size_t base) {
      return used[base] >= kLeastUse && (stays[base] || used[base] >= pools[base].pages / 2);
    };
    const auto least = std::ranges::min_element(
        bases, {}, [&](size_t base) { return std::pair(worth(base), used[base]); });
    if (worth(*least) && bases.size() <= kMostBases) return places;
    bases.erase(least);
  }
}

std::vector<Page> SumUp(storage::Blobs& blobs, std::span<const std::string_view> files) {
  std::vector<Page> pages;
  for (const std::string_view file : files) {
    const std::string sums = blobs.SumPieces(file, kPage);
    for (size_t i = 0; i < file.size() / kPage; ++i)
      pages.push_back({IsZero(file.substr(i * kPage, kPage)), SumAt(sums, i)});
  }
  return pages;
}

// A page to be written, joined with the one before it where they lie side by side.
void AddPiece(std::vector<std::string_view>& pool, std::string_view page) {
  if (!pool.empty() && pool.back().data() + pool.back().size() == page.data()) {
    pool.back() = {pool.back().data(), pool.back().size() + page.size()};
  } else {
    pool.push_back(page);
  }
}

}  // namespace

Result<PagePool> ReadPool(storage::Blobs& blobs, const ImageBase& base) {
  GODWIT_TRY(const auto reader, blobs.OpenReader(base.id, base.bond));
  GODWIT_TRY(const PlacedManifest image, ReadManifest(*reader));
  PagePool pool;
  bool found = false;
  for (size_t i = 0; i < image.manifest.entries.size(); ++i) {
    const ImageEntry& entry = image.manifest.entries[i];
    if (entry.kind == ImageEntry::Kind::kPages) {
      if (!found) pool.begin = image.places[i];
      found = true;
      pool.pages += entry.pages;
    } else if (entry.kind == ImageEntry::Kind::kSums) {
      pool.sums.resize(entry.bytes);
      GODWIT_TRY(reader->Read(image.places[i], pool.sums));
    }
  }
  if (pool.sums.size() == pool.pages * kSumBytes) return pool;
  return Fail(Code::kUnsupported, "the image '{}' has no sums of its pages", base.id.hex);
}

PagePlan PlanPages(storage::Blobs& blobs, std::span<const std::string_view> files,
                   std::span<const PagePool> pools, const std::vector<bool>& stays) {
  const std::vector<Page> pages = SumUp(blobs, files);
  PagePlan plan;
  for (size_t i = 0; i < pools.size(); ++i) plan.bases.push_back(i);
  const Places places = Choose(pools, stays, pages, plan.bases);
  std::vector<uint8_t> owners(pools.size(), 0);
  for (size_t i = 0; i < plan.bases.size(); ++i)
    owners[plan.bases[i]] = static_cast<uint8_t>(i + 1);
  std::unordered_map<Sum, uint32_t, SumHash> own;
  size_t number = 0;
  for (const std::string_view file : files) {
    auto& runs = plan.runs.emplace_back();
    const auto before = static_cast<uint32_t>(own.size());
    for (uint64_t at = 0; at < file.size(); at += kPage) {
      const Page& page = pages[number++];
      if (page.zero) {
        AppendPage(runs, PageRun::kZeros, 0);
      } else if (const auto found = places.find(page.sum); found != places.end()) {
        AppendPage(runs, owners[found->second.base], found->second.page);
      } else {
        const auto [mine, is_new] = own.try_emplace(page.sum, static_cast<uint32_t>(own.size()));
        AppendPage(runs, PageRun::kOwn, mine->second);
        if (!is_new) continue;
        AddPiece(plan.pool, file.substr(at, kPage));
        plan.sums.append(page.sum.data(), page.sum.size());
      }
    }
    plan.own.push_back(static_cast<uint32_t>(own.size()) - before);
  }
  return plan;
}

}  // namespace godwit::checkpoint
