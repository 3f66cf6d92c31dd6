#pragma once

// What an image holds, in order: CRIU's files, the function's own temporary files, and the
// platform's facts about the instance.
//
// The manifest stands at the head of the image's blob, which seals it (docs/formats/image.md). It
// is parsed as foreign bytes all the same: names may not leave their directory, sizes must add up.
// Threads: values. Failure: kCorrupt, naming what is wrong; kUnsupported for a newer version.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::checkpoint {

struct ImageEntry {
  enum class Kind : uint8_t { kCriu, kFile, kDirectory, kLink };
  Kind kind = Kind::kCriu;
  std::string path;      // relative; for kCriu without a slash
  uint64_t bytes = 0;    // of content in the blob; of kLink: its target
  uint32_t mode = 0;     // permission bits
  int64_t modified = 0;  // seconds since 1970
  bool operator==(const ImageEntry&) const = default;
};

struct Manifest {
  std::vector<ImageEntry> entries;
  std::string facts;  // JSON text of functions/
};

inline constexpr size_t kMaxManifest = 16 << 20;  // bytes

std::string FormatManifest(const Manifest& manifest);
Result<Manifest> ParseManifest(std::string_view text);

}  // namespace godwit::checkpoint
