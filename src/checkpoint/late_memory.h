#pragma once

// Which part of an image's memory may come after its process runs again.
//
// CRIU marks the pages of private anonymous memory that a restore may leave out (`--lazy-pages`,
// criu.org/Lazy_migration); the rest, such as changed pages of files, it needs. Only for an image
// of one process: processes that share pages since a fork share them again after a whole restore
// alone. Threads: the pool. Failure: kCorrupt for what cannot be read, naming the file.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/manifest.h"
#include "checkpoint/page_map.h"

namespace godwit::checkpoint {

struct LateMemory {
  std::string pages;            // the file of pages, by name
  std::vector<PageRange> late;  // by address; offsets are those in the file of pages
  std::vector<Extent> needed;   // of the file of pages
  uint64_t bytes = 0;           // of `late`
  std::vector<uint64_t> first;  // the working set: addresses of pages that are likely touched first
};

// Whether a file of CRIU's images holds pages of memory and nothing else.
bool HoldsPages(std::string_view name);

// The working set is kept in a file of its own beside CRIU's images, which CRIU does not know.
inline constexpr size_t kMostFirst = 4096;  // pages
Result<> WriteWorkingSet(const std::string& images, std::span<const uint64_t> pages);

// Of the images in `images`, which need not have their files of pages. Nothing, if all of it is
// needed.
Result<std::optional<LateMemory>> FindLateMemory(const std::string& images);

}  // namespace godwit::checkpoint
