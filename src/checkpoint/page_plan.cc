#include "checkpoint/page_plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

using Files = std::span<const std::vector<SummedPage>>;

struct Place {
  size_t base = 0;
  uint32_t page = 0;
};
using Places = std::unordered_map<PageSum, Place, PageSumHash>;

bool IsZero(std::string_view page) {
  uint64_t first = 0;
  std::memcpy(&first, page.data(), sizeof first);
  return first == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

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
std::vector<uint32_t> CountUse(const Places& places, Files files, size_t bases) {
  std::vector<uint32_t> used(bases, 0);
  std::unordered_map<PageSum, bool, PageSumHash> seen;
  for (const auto& pages : files) {
    for (const SummedPage& page : pages) {
      if (page.zero) continue;
      const auto found = places.find(page.sum);
      if (found != places.end() && seen.try_emplace(page.sum, true).second)
        ++used[found->second.base];
    }
  }
  return used;
}

// Leaves those that are worth it.
Places Choose(std::span<const PagePool> pools, const std::vector<bool>& stays, Files files,
              std::vector<size_t>& bases) {
  while (true) {
    Places places = Find(pools, bases);
    if (bases.empty()) return places;
    const std::vector<uint32_t> used = CountUse(places, files, pools.size());
    const auto worth = [&](size_t base) {
      return used[base] >= kLeastUse && (stays[base] || used[base] >= pools[base].pages / 2);
    };
    const auto least = std::ranges::min_element(
        bases, {}, [&](size_t base) { return std::pair(worth(base), used[base]); });
    if (worth(*least) && bases.size() <= kMostBases) return places;
    bases.erase(least);
  }
}

}  // namespace

PageSum SumAt(std::string_view sums, size_t page) {
  PageSum sum;
  std::memcpy(sum.data(), sums.data() + page * kSumBytes, kSumBytes);
  return sum;
}

size_t PageSumHash::operator()(const PageSum& sum) const {
  size_t word = 0;
  std::memcpy(&word, sum.data(), sizeof word);
  return word;
}

void AddPiece(std::vector<std::string_view>& pieces, std::string_view page) {
  if (!pieces.empty() && pieces.back().data() + pieces.back().size() == page.data()) {
    pieces.back() = {pieces.back().data(), pieces.back().size() + page.size()};
  } else {
    pieces.push_back(page);
  }
}

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

std::vector<SummedPage> SumPages(storage::Blobs& blobs, std::string_view file) {
  const std::string sums = blobs.SumPieces(file, kPage);
  std::vector<SummedPage> pages(file.size() / kPage);
  for (size_t i = 0; i < pages.size(); ++i)
    pages[i] = {IsZero(file.substr(i * kPage, kPage)), SumAt(sums, i)};
  return pages;
}

PagePlan PlanPages(Files files, std::span<const PagePool> pools, const std::vector<bool>& stays) {
  PagePlan plan;
  for (size_t i = 0; i < pools.size(); ++i) plan.bases.push_back(i);
  const Places places = Choose(pools, stays, files, plan.bases);
  std::vector<uint8_t> owners(pools.size(), 0);
  for (size_t i = 0; i < plan.bases.size(); ++i)
    owners[plan.bases[i]] = static_cast<uint8_t>(i + 1);
  std::unordered_map<PageSum, uint32_t, PageSumHash> own;
  uint64_t number = 0;
  for (const auto& pages : files) {
    auto& runs = plan.runs.emplace_back();
    const auto before = static_cast<uint32_t>(own.size());
    for (const SummedPage& page : pages) {
      const uint64_t here = number++;
      if (page.zero) {
        AppendPage(runs, PageRun::kZeros, 0);
      } else if (const auto found = places.find(page.sum); found != places.end()) {
        AppendPage(runs, owners[found->second.base], found->second.page);
      } else {
        const auto [mine, is_new] = own.try_emplace(page.sum, static_cast<uint32_t>(own.size()));
        AppendPage(runs, PageRun::kOwn, mine->second);
        if (!is_new) continue;
        plan.pool.push_back(here);
        plan.sums.append(page.sum.data(), page.sum.size());
      }
    }
    plan.own.push_back(static_cast<uint32_t>(own.size()) - before);
  }
  return plan;
}

OfferedPools ReadPools(storage::Blobs& blobs, std::span<const ImageBase> bases) {
  OfferedPools read;
  for (size_t i = 0; i < bases.size(); ++i) {
    auto pool = ReadPool(blobs, bases[i]);
    if (!pool) continue;
    read.pools.push_back(*std::move(pool));
    read.stays.push_back(bases[i].stays);
    read.offered.push_back(i);
  }
  return read;
}

void WritePlan(PagePlan& plan, const OfferedPools& offered, std::span<const ImageBase> bases,
               std::vector<ImageEntry>& entries) {
  using Kind = ImageEntry::Kind;
  std::vector<ImageEntry> named;
  for (size_t& base : plan.bases) {
    const PagePool& pool = offered.pools[base];
    base = offered.offered[base];
    named.push_back({.kind = Kind::kBase,
                     .name = bases[base].id.hex,
                     .bytes = pool.begin,
                     .pages = pool.pages});
  }
  size_t file = 0;
  for (ImageEntry& entry : entries) {
    if (entry.kind != Kind::kPages) continue;
    entry.pages = plan.own[file];
    entry.runs = std::move(plan.runs[file++]);
  }
  if (file != 0) entries.push_back({.kind = Kind::kSums, .bytes = plan.sums.size()});
  entries.insert(entries.begin(), named.begin(), named.end());
}

std::vector<std::string_view> PagesAt(std::span<const std::string_view> files,
                                      std::span<const uint64_t> numbers) {
  std::vector<std::string_view> pieces;
  uint64_t before = 0;  // pages of earlier files
  auto file = files.begin();
  for (const uint64_t number : numbers) {
    while (number - before >= file->size() / kPage) before += (file++)->size() / kPage;
    AddPiece(pieces, file->substr((number - before) * kPage, kPage));
  }
  return pieces;
}

}  // namespace godwit::checkpoint
