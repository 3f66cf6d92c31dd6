#pragma once

// The pages of an image on their way back, from its own blob and from those of its bases.
//
// Threads: the pool; a PageSource as page_source.h has it. Lifetime: the blobs outlive all of it; a
// source may outlast the blobs' names. Failure: kCorrupt and kNotFound, naming the blob; whoever
// asked must not go on without the page.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/manifest.h"  // Extent
#include "checkpoint/page_runs.h"
#include "checkpoint/page_source.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

// Whose pages an image refers to: its own first, then those of its bases.
struct PageOwner {
  storage::BlobId id;
  std::string bond;
  uint64_t begin = 0;  // of its pool, in the blob's content
  uint32_t pages = 0;  // of the pool
};

// Puts what lies in `extents` of the file that `runs` make up into `file`, which has its size and
// is empty. What an extent has beyond the file's end is left out.
Result<> PutPages(storage::Blobs& blobs, std::span<const PageOwner> owners,
                  std::span<const PageRun> runs, std::span<const Extent> extents, const Fd& file);

// By offsets in the file that the runs make up. Whoever reads opens what it needs and waits for
// nobody who has not begun to open just that: the pager asks while the pool may wait for the pager.
Result<std::shared_ptr<PageSource>> OpenLatePages(storage::Blobs& blobs,
                                                  std::span<const PageOwner> owners,
                                                  std::span<const PageRun> runs);

}  // namespace godwit::checkpoint
