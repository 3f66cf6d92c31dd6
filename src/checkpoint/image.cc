#include "checkpoint/image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/fault.h"
#include "base/fd.h"
#include "base/mapped_file.h"
#include "base/try.h"
#include "checkpoint/descent.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr size_t kMappedFrom = 256 << 10;  // bytes; smaller files are read, which is quicker

// CRIU's files: the many small ones in one buffer, the memory as it lies in the staging area.
class CriuFiles {
 public:
  Result<> Read(const std::string& directory, std::vector<ImageEntry>& entries) {
    GODWIT_TRY(const Descent staging, Descent::Begin(directory, directory));
    GODWIT_TRY(std::vector<std::string> names, staging.Names());
    // So that what comes late is in one piece, behind all that is needed to know of it.
    std::ranges::sort(names, {}, [](const std::string& name) {
      return std::pair(HoldsPages(name), std::string_view(name));
    });
    std::vector<uint64_t> places;  // in small_
    for (const std::string& name : names) {
      if (!name.ends_with(".img")) continue;  // logs stay out
      GODWIT_TRY(const Fd file, staging.Open(name, O_RDONLY));
      struct stat st = {};
      if (::fstat(file.get(), &st) != 0) return FailErrno(errno, "cannot look at '{}'", name);
      const auto size = static_cast<size_t>(st.st_size);
      entries.push_back({.kind = Kind::kCriu, .name = name, .bytes = size});
      places.push_back(small_.size());
      if (size >= kMappedFrom) {
        GODWIT_TRY(MappedFile mapping, MappedFile::Of(file, size));
        mappings_.push_back(std::move(mapping));
      } else {
        small_.resize(small_.size() + size);
        GODWIT_TRY(ReadExactly(file.get(), std::span(small_).subspan(places.back()))
                       .Within("cannot read '{}'", name));
      }
    }
    // Only now does the buffer stay where it is.
    auto mapping = mappings_.begin();
    for (size_t i = 0; i < places.size(); ++i) {
      const uint64_t size = entries[entries.size() - places.size() + i].bytes;
      parts_.push_back(size >= kMappedFrom ? (mapping++)->bytes()
                                           : std::string_view(small_).substr(places[i], size));
    }
    return {};
  }
  const std::vector<std::string_view>& parts() const { return parts_; }

 private:
  std::string small_;
  std::vector<MappedFile> mappings_;  // nobody else changes those
  std::vector<std::string_view> parts_;
};

// Refers to what `bases` have of the files of pages, which become entries of that kind.
struct Sharing {
  PagePlan plan;
  std::vector<std::string_view> pool;  // what is to be written
};

Sharing Share(storage::Blobs& blobs, std::span<const ImageBase> bases, const CriuFiles& criu,
              std::vector<ImageEntry>& entries) {
  std::vector<std::string_view> files;
  std::vector<std::vector<SummedPage>> pages;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!HoldsPages(entries[i].name) || entries[i].bytes % kPage != 0) continue;
    entries[i].kind = Kind::kPages;
    files.push_back(criu.parts()[i]);
    pages.push_back(SumPages(blobs, files.back()));
  }
  const OfferedPools offered = ReadPools(blobs, bases);
  Sharing sharing{PlanPages(pages, offered.pools, offered.stays), {}};
  sharing.pool = PagesAt(files, sharing.plan.pool);
  WritePlan(sharing.plan, offered, bases, entries);
  return sharing;
}

}  // namespace

Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places,
                               const FactsOfImage& facts, storage::PutOptions options,
                               std::span<const ImageBase> bases) {
  Manifest manifest;
  CriuFiles criu;
  GODWIT_TRY(criu.Read(places.criu, manifest.entries));
  Sharing sharing = Share(blobs, bases, criu, manifest.entries);
  StoredImage stored;
  stored.bases = sharing.plan.bases;
  stored.own_bytes = sharing.plan.sums.size() / kSumBytes * kPage;
  manifest.facts = facts(stored.bases);
  const size_t criu_entries = manifest.entries.size();
  GODWIT_TRY(ListTree(places.temporary, manifest.entries).Within("cannot look at /tmp"));
  const std::string head = FormatManifest(manifest);
  // What could not be read back would be found out when it is too late.
  GODWIT_TRY(const Manifest again, ParseManifest(head).Within("the image would be unreadable"));
  if (again.entries != manifest.entries || again.facts != manifest.facts)
    return Fail(Code::kInternal, "the image's manifest does not read as it was written");
  GODWIT_TRY(TreeReader files, TreeReader::Begin(places.temporary, manifest.entries));
  storage::Tail tail(files.bytes(), [&](std::span<char> into) { return files.Read(into); });
  std::vector<std::string_view> parts = {head};
  auto part = criu.parts().begin();
  for (size_t i = 0; i < criu_entries; ++i) {
    const Kind kind = manifest.entries[i].kind;
    if (kind == Kind::kCriu) parts.push_back(*part);
    if (kind == Kind::kCriu || kind == Kind::kPages) ++part;
  }
  parts.insert(parts.end(), sharing.pool.begin(), sharing.pool.end());
  parts.push_back(sharing.plan.sums);
  GODWIT_FAULT(kBasesChosen);
  GODWIT_TRY(stored.id, blobs.PutUnique(parts, tail, options));
  GODWIT_TRY(stored.bytes, blobs.StoredSize(stored.id));
  return stored;
}

Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places, std::string facts,
                               storage::PutOptions options) {
  return StoreImage(blobs, places, [&](const auto&) { return facts; }, options, {});
}

}  // namespace godwit::checkpoint
