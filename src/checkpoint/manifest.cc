#include "checkpoint/manifest.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr std::string_view kMagic = "godwimag";
constexpr uint32_t kOldestVersion = 2;  // it knew no bases
constexpr size_t kLongestName = 255;
constexpr size_t kLongestTarget = 4096;
constexpr uint32_t kModeBits = 07777;
constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMostPages = kMostBytes / kPage;

template <typename Word>
void Append(std::string& to, Word word) {
  for (size_t i = 0; i < sizeof(Word); ++i)
    to += static_cast<char>(static_cast<uint64_t>(word) >> (8 * i));
}

// Takes things off the front; past the end all is 0 and `ended` is set.
struct Reader {
  std::string_view left;
  bool ended = false;

  std::string_view Bytes(size_t count) {
    if (count > left.size()) {
      ended = true;
      left = {};
      return {};
    }
    const std::string_view bytes = left.substr(0, count);
    left.remove_prefix(count);
    return bytes;
  }
  template <typename Word>
  Word Take() {
    uint64_t word = 0;
    const std::string_view bytes = Bytes(sizeof(Word));
    for (size_t i = 0; i < bytes.size(); ++i)
      word |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return static_cast<Word>(word);
  }
};

bool HasStamp(Kind kind) { return kind >= Kind::kFile && kind <= Kind::kFifo && kind != Kind::kUp; }

// In which order entries come: bases, files, files of pages, sums, the tree.
int StageOf(Kind kind) {
  switch (kind) {
    case Kind::kBase:
      return 0;
    case Kind::kCriu:
      return 1;
    case Kind::kPages:
      return 2;
    case Kind::kSums:
      return 3;
    default:
      return 4;
  }
}

bool IsStep(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
         !name.contains('/') && !name.contains('\0');
}

bool AreInOrder(const std::vector<Extent>& extents, uint64_t bytes) {
  uint64_t end = 0;
  for (const Extent& extent : extents) {
    if (extent.bytes == 0 || extent.at < end || extent.at > bytes ||
        extent.bytes > bytes - extent.at) {
      return false;
    }
    end = extent.at + extent.bytes;
  }
  return true;
}

void AppendEntry(std::string& to, const ImageEntry& entry) {
  Append(to, static_cast<uint8_t>(entry.kind));
  Append(to, static_cast<uint16_t>(entry.name.size()));
  to += entry.name;
  if (HasStamp(entry.kind)) {
    Append(to, static_cast<uint16_t>(entry.mode));
    Append(to, entry.seconds);
    Append(to, entry.nanoseconds);
  }
  switch (entry.kind) {
    case Kind::kCriu:
    case Kind::kFile:
      Append(to, entry.bytes);
      break;
    case Kind::kSparse:
      Append(to, entry.bytes);
      Append(to, static_cast<uint32_t>(entry.extents.size()));
      for (const Extent& extent : entry.extents) {
        Append(to, extent.at);
        Append(to, extent.bytes);
      }
      break;
    case Kind::kLink:
      Append(to, static_cast<uint16_t>(entry.target.size()));
      to += entry.target;
      break;
    case Kind::kAgain:
      Append(to, entry.first);
      break;
    case Kind::kPages:
      Append(to, entry.bytes);
      Append(to, entry.pages);
      Append(to, static_cast<uint32_t>(entry.runs.size()));
      for (const PageRun& run : entry.runs) {
        Append(to, run.owner);
        Append(to, run.first);
        Append(to, run.pages);
      }
      break;
    case Kind::kBase:
      Append(to, entry.bytes);
      Append(to, entry.pages);
      break;
    case Kind::kSums:
      Append(to, entry.bytes);
      break;
    case Kind::kDirectory:
    case Kind::kUp:
    case Kind::kFifo:
      break;
  }
}

Result<ImageEntry> TakeEntry(Reader& from, uint32_t version) {
  ImageEntry entry;
  const auto kind = from.Take<uint8_t>();
  const Kind last = version == kOldestVersion ? Kind::kAgain : Kind::kSums;
  if (kind < static_cast<uint8_t>(Kind::kCriu) || kind > static_cast<uint8_t>(last))
    return Fail(Code::kCorrupt, "the manifest has an entry of kind {}", kind);
  entry.kind = static_cast<Kind>(kind);
  entry.name = from.Bytes(from.Take<uint16_t>());
  const bool nameless = entry.kind == Kind::kUp || entry.kind == Kind::kSums;
  if (nameless ? !entry.name.empty() : !IsStep(entry.name)) {
    return Fail(Code::kCorrupt, "the manifest has an entry with the name '{}'",
                PercentEncode(entry.name));
  }
  if (HasStamp(entry.kind)) {
    entry.mode = from.Take<uint16_t>();
    entry.seconds = from.Take<int64_t>();
    entry.nanoseconds = from.Take<uint32_t>();
  }
  if (entry.kind == Kind::kCriu || entry.kind == Kind::kFile || entry.kind == Kind::kSparse ||
      StageOf(entry.kind) < 4)
    entry.bytes = from.Take<uint64_t>();
  if (entry.kind == Kind::kPages || entry.kind == Kind::kBase) entry.pages = from.Take<uint32_t>();
  if (entry.kind == Kind::kPages) {
    const auto count = from.Take<uint32_t>();
    for (uint32_t i = 0; i < count && !from.ended; ++i) {
      const auto owner = from.Take<uint8_t>();
      const auto first = from.Take<uint32_t>();
      entry.runs.push_back({owner, first, from.Take<uint32_t>()});
    }
  }
  if (entry.kind == Kind::kSparse) {
    const auto count = from.Take<uint32_t>();
    for (uint32_t i = 0; i < count && !from.ended; ++i) {
      const auto at = from.Take<uint64_t>();
      entry.extents.push_back({at, from.Take<uint64_t>()});
    }
  }
  if (entry.kind == Kind::kLink) entry.target = from.Bytes(from.Take<uint16_t>());
  if (entry.kind == Kind::kAgain) entry.first = from.Take<uint32_t>();
  if (from.ended) return Fail(Code::kCorrupt, "the manifest ends within an entry");
  if (entry.kind == Kind::kBase && !storage::BlobId::Parse(entry.name))
    return Fail(Code::kCorrupt, "the manifest has a base '{}'", PercentEncode(entry.name));
  if (entry.mode > kModeBits || entry.nanoseconds > 999'999'999 || entry.bytes > kMostBytes ||
      !AreInOrder(entry.extents, entry.bytes) || entry.target.size() > kLongestTarget ||
      entry.target.contains('\0') || (entry.kind == Kind::kLink && entry.target.empty())) {
    return Fail(Code::kCorrupt, "the manifest has an entry '{}' that cannot be",
                PercentEncode(entry.name));
  }
  return entry;
}

// What one entry may be depends on those before it.
Result<> CheckOrder(const std::vector<ImageEntry>& entries) {
  size_t depth = 0;
  uint64_t bytes = 0;
  int stage = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const ImageEntry& entry = entries[i];
    const int before = std::exchange(stage, StageOf(entry.kind));
    const bool bad = stage < before || (entry.kind == Kind::kSums && before == stage) ? true
                     : entry.kind == Kind::kUp                                        ? depth == 0
                     : entry.kind == Kind::kAgain
                         ? entry.first >= i || !HasStamp(entries[entry.first].kind) ||
                               entries[entry.first].kind == Kind::kDirectory
                         : false;
    if (bad) return Fail(Code::kCorrupt, "entry {} of the manifest has no place there", i);
    if (entry.kind == Kind::kDirectory) ++depth;
    if (entry.kind == Kind::kUp) --depth;
    bytes += std::min(entry.Stored(), kMostBytes - bytes);
  }
  if (depth != 0) return Fail(Code::kCorrupt, "the manifest ends within a directory");
  if (bytes == kMostBytes) return Fail(Code::kCorrupt, "the manifest's sizes are too large");
  return {};
}

// Runs make up their files, and lead to pages that are there.
Result<> CheckPages(const std::vector<ImageEntry>& entries) {
  std::vector<uint64_t> pools = {0};  // pages of each owner
  uint64_t sums = 0;
  bool summed = false;
  for (const ImageEntry& entry : entries) {
    if (entry.kind == Kind::kPages) pools[0] += entry.pages;
    if (entry.kind == Kind::kBase) pools.push_back(entry.pages);
    if (entry.kind == Kind::kSums) {
      sums = entry.bytes;
      summed = true;
    }
  }
  if (pools.size() > PageRun::kZeros || pools[0] > PageRun::kMost)
    return Fail(Code::kCorrupt, "the manifest has too many bases or pages");
  if (summed && sums != pools[0] * kSumBytes)
    return Fail(Code::kCorrupt, "the manifest has sums of {} bytes for {} pages", sums, pools[0]);
  for (const ImageEntry& entry : entries) {
    if (entry.kind != Kind::kPages) continue;
    uint64_t pages = 0;
    for (const PageRun& run : entry.runs) {
      const bool zeros = run.owner == PageRun::kZeros;
      if (run.pages == 0 || (zeros ? run.first != 0
                                   : run.owner >= pools.size() ||
                                         uint64_t{run.first} + run.pages > pools[run.owner])) {
        return Fail(Code::kCorrupt, "the manifest's pages of '{}' lead nowhere", entry.name);
      }
      pages += run.pages;
      if (pages > kMostPages)
        return Fail(Code::kCorrupt, "the manifest's pages of '{}' are too many", entry.name);
    }
    if (pages * kPage != entry.bytes)
      return Fail(Code::kCorrupt, "the manifest's pages of '{}' are not all of it", entry.name);
  }
  return {};
}

}  // namespace

uint64_t ImageEntry::Stored() const {
  if (kind == Kind::kCriu || kind == Kind::kFile || kind == Kind::kSums) return bytes;
  if (kind == Kind::kPages) return pages * kPage;
  uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.bytes;
  return sum;
}

std::string FormatManifest(const Manifest& manifest) {
  std::string entries;
  for (const auto& entry : manifest.entries) AppendEntry(entries, entry);
  std::string bytes(kMagic);
  bytes.reserve(kManifestHead + manifest.facts.size() + entries.size());
  Append(bytes, manifest.version);
  Append(bytes, static_cast<uint32_t>(manifest.facts.size()));
  Append(bytes, uint64_t{entries.size()});
  bytes += manifest.facts;
  bytes += entries;
  return bytes;
}

Result<uint64_t> ManifestBytes(std::string_view head) {
  if (!head.starts_with(kMagic)) return Fail(Code::kCorrupt, "it does not begin as an image does");
  Reader reader{head.substr(kMagic.size())};
  if (const auto version = reader.Take<uint32_t>();
      version < kOldestVersion || version > kImageVersion) {
    return Fail(
        Code::kUnsupported,
        "the image is of version {}, this program reads versions {} to {} (use a newer godwit)",
        version, kOldestVersion, kImageVersion);
  }
  const uint64_t facts = reader.Take<uint32_t>();
  const auto entries = reader.Take<uint64_t>();
  if (reader.ended) return Fail(Code::kCorrupt, "the manifest ends within its head");
  if (entries > kMaxManifest) return Fail(Code::kCorrupt, "the manifest claims {} bytes", entries);
  return kManifestHead + facts + entries;
}

Result<Manifest> ParseManifest(std::string_view bytes) {
  GODWIT_TRY(const uint64_t size, ManifestBytes(bytes));
  if (size != bytes.size())
    return Fail(Code::kCorrupt, "the manifest has {} bytes, its head says {}", bytes.size(), size);
  Reader reader{bytes.substr(kMagic.size())};
  Manifest manifest;
  manifest.version = reader.Take<uint32_t>();
  const auto facts = reader.Take<uint32_t>();
  static_cast<void>(reader.Take<uint64_t>());
  manifest.facts = reader.Bytes(facts);
  while (!reader.left.empty()) {
    GODWIT_TRY(ImageEntry entry, TakeEntry(reader, manifest.version));
    manifest.entries.push_back(std::move(entry));
  }
  GODWIT_TRY(CheckOrder(manifest.entries));
  GODWIT_TRY(CheckPages(manifest.entries));
  return manifest;
}

Result<PlacedManifest> ReadManifest(storage::BlobReader& blob) {
  if (blob.size() < kManifestHead)
    return Fail(Code::kCorrupt, "the image ends before its manifest does");
  std::string head(kManifestHead, '\0');
  GODWIT_TRY(blob.Read(0, head));
  GODWIT_TRY(const uint64_t bytes, ManifestBytes(head));
  if (bytes > blob.size()) return Fail(Code::kCorrupt, "the image ends before its manifest does");
  head.resize(bytes);
  GODWIT_TRY(blob.Read(0, head));
  PlacedManifest placed;
  GODWIT_TRY(placed.manifest, ParseManifest(head));
  uint64_t place = bytes;
  for (const ImageEntry& entry : placed.manifest.entries) {
    placed.places.push_back(place);
    place += entry.Stored();
  }
  placed.places.push_back(place);
  if (place == blob.size()) return placed;
  return Fail(Code::kCorrupt, "the image has {} bytes, and its manifest says {}", blob.size(),
              place);
}

}  // namespace godwit::checkpoint
