#include "checkpoint/manifest.h"

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr std::string_view kMagic = "godwimag";
constexpr uint32_t kVersion = 2;
constexpr size_t kLongestName = 255;
constexpr size_t kLongestTarget = 4096;
constexpr uint32_t kModeBits = 07777;
constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();

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

bool HasStamp(Kind kind) {
  return kind != Kind::kCriu && kind != Kind::kUp && kind != Kind::kAgain;
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
    case Kind::kDirectory:
    case Kind::kUp:
    case Kind::kFifo:
      break;
  }
}

Result<ImageEntry> TakeEntry(Reader& from) {
  ImageEntry entry;
  const auto kind = from.Take<uint8_t>();
  if (kind < static_cast<uint8_t>(Kind::kCriu) || kind > static_cast<uint8_t>(Kind::kAgain))
    return Fail(Code::kCorrupt, "the manifest has an entry of kind {}", kind);
  entry.kind = static_cast<Kind>(kind);
  entry.name = from.Bytes(from.Take<uint16_t>());
  if (entry.kind == Kind::kUp ? !entry.name.empty() : !IsStep(entry.name)) {
    return Fail(Code::kCorrupt, "the manifest has an entry with the name '{}'",
                PercentEncode(entry.name));
  }
  if (HasStamp(entry.kind)) {
    entry.mode = from.Take<uint16_t>();
    entry.seconds = from.Take<int64_t>();
    entry.nanoseconds = from.Take<uint32_t>();
  }
  if (entry.kind == Kind::kCriu || entry.kind == Kind::kFile || entry.kind == Kind::kSparse)
    entry.bytes = from.Take<uint64_t>();
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
  bool in_tree = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const ImageEntry& entry = entries[i];
    const bool bad = entry.kind == Kind::kCriu ? in_tree
                     : entry.kind == Kind::kUp ? depth == 0
                     : entry.kind == Kind::kAgain
                         ? entry.first >= i || !HasStamp(entries[entry.first].kind) ||
                               entries[entry.first].kind == Kind::kDirectory
                         : false;
    if (bad) return Fail(Code::kCorrupt, "entry {} of the manifest has no place there", i);
    in_tree = in_tree || entry.kind != Kind::kCriu;
    if (entry.kind == Kind::kDirectory) ++depth;
    if (entry.kind == Kind::kUp) --depth;
    bytes += std::min(entry.Stored(), kMostBytes - bytes);
  }
  if (depth != 0) return Fail(Code::kCorrupt, "the manifest ends within a directory");
  if (bytes == kMostBytes) return Fail(Code::kCorrupt, "the manifest's sizes are too large");
  return {};
}

}  // namespace

uint64_t ImageEntry::Stored() const {
  if (kind == Kind::kCriu || kind == Kind::kFile) return bytes;
  uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.bytes;
  return sum;
}

std::string FormatManifest(const Manifest& manifest) {
  std::string entries;
  for (const auto& entry : manifest.entries) AppendEntry(entries, entry);
  std::string bytes(kMagic);
  bytes.reserve(kManifestHead + manifest.facts.size() + entries.size());
  Append(bytes, kVersion);
  Append(bytes, static_cast<uint32_t>(manifest.facts.size()));
  Append(bytes, uint64_t{entries.size()});
  bytes += manifest.facts;
  bytes += entries;
  return bytes;
}

Result<uint64_t> ManifestBytes(std::string_view head) {
  if (!head.starts_with(kMagic)) return Fail(Code::kCorrupt, "it does not begin as an image does");
  Reader reader{head.substr(kMagic.size())};
  if (const auto version = reader.Take<uint32_t>(); version != kVersion) {
    return Fail(Code::kUnsupported,
                "the image is of version {}, this program reads version {} (use a newer godwit)",
                version, kVersion);
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
  Reader reader{bytes.substr(kMagic.size() + sizeof kVersion)};
  const auto facts = reader.Take<uint32_t>();
  static_cast<void>(reader.Take<uint64_t>());
  Manifest manifest;
  manifest.facts = reader.Bytes(facts);
  while (!reader.left.empty()) {
    GODWIT_TRY(ImageEntry entry, TakeEntry(reader));
    manifest.entries.push_back(std::move(entry));
  }
  GODWIT_TRY(CheckOrder(manifest.entries));
  return manifest;
}

}  // namespace godwit::checkpoint
