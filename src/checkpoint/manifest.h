#pragma once

// What an image holds, in order: the images that it refers to, CRIU's files, the tree of the
// function's own temporary files, and the platform's facts about the instance.
//
// The manifest stands at the head of the image's blob, which seals it (docs/formats/image.md). It
// is parsed as foreign bytes all the same: a name is one step and leads nowhere else, directories
// close, sizes add up. Names are bytes, of whatever encoding. Threads: values. Failure: kCorrupt,
// naming what is wrong; kUnsupported for another version.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/page_runs.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

// Bytes of a file that are there; what lies between them is a hole.
struct Extent {
  uint64_t at = 0;
  uint64_t bytes = 0;
  bool operator==(const Extent&) const = default;
};

struct ImageEntry {
  enum class Kind : uint8_t {
    kCriu = 1,       // a file of CRIU's images
    kFile = 2,       // without holes
    kSparse = 3,     // a file with holes
    kDirectory = 4,  // what is in it follows, up to its kUp
    kUp = 5,         // the end of the directory that is open
    kLink = 6,       // a symbolic link
    kFifo = 7,
    kAgain = 8,  // another name of an earlier file, link or FIFO
    kPages = 9,  // a file of CRIU's images that holds pages, some of which may be in a base
    kBase = 10,  // another image, whose pages this one refers to; the first is owner 1
    kSums = 11,  // a sum of each page that is this image's own
  };
  Kind kind = Kind::kCriu;
  std::string name = {};     // one step; of kUp: none
  uint32_t mode = 0;         // permission bits, at most 07777
  int64_t seconds = 0;       // since 1970, when it was modified
  uint32_t nanoseconds = 0;  // below a second
  uint64_t bytes = 0;        // the size of a file, with its holes; of kBase: where its pages begin
  uint32_t first = 0;        // of kAgain: the number of the entry that it is another name of
  uint32_t pages = 0;        // of kPages: that are kept here; of kBase: that it keeps itself
  std::vector<Extent> extents = {};  // of kSparse
  std::string target = {};           // of kLink
  std::vector<PageRun> runs = {};    // of kPages
  bool operator==(const ImageEntry&) const = default;

  // Of content in the blob.
  uint64_t Stored() const;
};

inline constexpr uint32_t kImageVersion = 3;  // that is written; 2 is read

struct Manifest {
  std::vector<ImageEntry> entries;
  std::string facts;  // JSON text of functions/
  uint32_t version = kImageVersion;
};

inline constexpr size_t kManifestHead = 24;                  // bytes
inline constexpr uint64_t kMaxManifest = uint64_t{1} << 30;  // bytes

std::string FormatManifest(const Manifest& manifest);
// How long the manifest is whose first kManifestHead bytes are `head`.
Result<uint64_t> ManifestBytes(std::string_view head);
Result<Manifest> ParseManifest(std::string_view bytes);

// Of an image in a blob, with where the content of each entry lies there, and the end.
struct PlacedManifest {
  Manifest manifest;
  std::vector<uint64_t> places;
};
Result<PlacedManifest> ReadManifest(storage::BlobReader& blob);

}  // namespace godwit::checkpoint
