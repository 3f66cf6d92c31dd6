#pragma once

// A put-away instance as one sealed blob: manifest, CRIU's files, the content of its /tmp.
//
// Pages that other images have already (bases) are left there and referred to, always where they
// are: no base is read by way of another, and each is needed for as long as the image is.
// Storing reads CRIU's memory where it lies (mapped, no copy) and the tree of /tmp file by file
// (tree.h); fetching writes them back. An image is never equal to another, so its blob has a name
// of its own instead of a hash. Threads: the pool. Failure: kNoSpace with nothing left behind;
// kUnsupported and kBusy, naming the place in /tmp, for what cannot be carried or changes
// meanwhile; kCorrupt for an image that was cut or changed, naming it. A failed fetch may leave
// part of the files, which the caller removes.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/descent.h"  // EmptyDirectory
#include "checkpoint/late_memory.h"
#include "checkpoint/page_plan.h"  // ImageBase
#include "checkpoint/page_source.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

struct ImagePlaces {
  std::string criu;       // directory of CRIU's images
  std::string temporary;  // the instance's /tmp, seen from the host
};

struct StoredImage {
  storage::BlobId id;
  uint64_t bytes = 0;         // on disk
  uint64_t own_bytes = 0;     // of pages that are in no base
  std::vector<size_t> bases;  // of those that were offered: what it refers to
};

// What the image says of itself, when it is known which of the bases it refers to.
using FactsOfImage = std::function<std::string(const std::vector<size_t>& bases)>;

// `bases`: those to be preferred first. One that cannot be read is left out.
Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places,
                               const FactsOfImage& facts, storage::PutOptions options,
                               std::span<const ImageBase> bases);
// A whole one.
Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places, std::string facts,
                               storage::PutOptions options);

struct FetchedImage {
  std::string facts;
  // What was left out of its file of pages, and where it is read from, which may outlast the blob's
  // name. Nothing, if all is there.
  std::optional<LateMemory> late;
  std::shared_ptr<PageSource> source;
  // Puts what is needed into the file of pages, which has its size already; on the pool, while the
  // blobs live and before CRIU makes processes. Empty, if it is there.
  std::function<Result<>()> put_needed;
};

// Puts the files back. /tmp must be empty; what is in it is given to `uid`. If `late`, memory that
// can come late may be left out. `bond` is that of the options it was stored with, `bases` are
// those that it refers to, in any order.
Result<FetchedImage> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                                const ImagePlaces& places, uint32_t uid, std::string_view bond,
                                bool late, std::span<const ImageBase> bases = {});

}  // namespace godwit::checkpoint
