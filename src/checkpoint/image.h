#pragma once

// A put-away instance as one sealed blob: manifest, CRIU's files, the content of its /tmp.
//
// Storing reads the staged files where they lie (memory mapped, no copy); fetching writes them
// back. Threads: the pool. Failure: kNoSpace with nothing left behind, kCorrupt for an image that
// was cut or changed, naming it; a failed fetch may leave part of the files, which the caller
// removes.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

struct ImagePlaces {
  std::string criu;       // directory of CRIU's images
  std::string temporary;  // the instance's /tmp, seen from the host
};

struct StoredImage {
  storage::BlobId id;
  uint64_t bytes = 0;  // on disk
};

Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places, std::string facts,
                               storage::PutOptions options);

// Puts the files back and returns the facts. Files in /tmp are given to `uid`.
Result<std::string> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                               const ImagePlaces& places, uint32_t uid);

// Empties a directory, staying on its file system.
void EmptyDirectory(const std::string& path);

}  // namespace godwit::checkpoint
