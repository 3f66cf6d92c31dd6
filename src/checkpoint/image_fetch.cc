// An image on its way back.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/try.h"
#include "checkpoint/image.h"
#include "checkpoint/image_pages.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

// Makes the entries of a manifest out of the contents behind it.
class Unpacker {
 public:
  static Result<Unpacker> Begin(const ImagePlaces& places, uint32_t uid, const Manifest& manifest) {
    GODWIT_TRY(Descent staging, Descent::Begin(places.criu, places.criu));
    GODWIT_TRY(TreeWriter tree, TreeWriter::Begin(places.temporary, uid, manifest.entries));
    return Unpacker(std::move(staging), std::move(tree), manifest);
  }

  // The entries up to `end` come next; those without content are made.
  Result<> Expect(size_t end) {
    end_ = end;
    return Advance();
  }

  Result<> Take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (left_ == 0)
        return Fail(Code::kCorrupt, "the image has more bytes than its manifest says");
      const std::string_view piece = bytes.substr(0, left_);
      GODWIT_TRY(Write(piece));
      bytes.remove_prefix(piece.size());
      left_ -= piece.size();
      if (left_ == 0) GODWIT_TRY(Advance());
    }
    return {};
  }

  // Makes the next entry, a file of pages, of its size and without content, and opens it.
  Result<Fd> MakeEmpty() {
    const ImageEntry& entry = manifest_->entries[next_];
    GODWIT_TRY(Fd file, staging_.Open(entry.name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (::ftruncate(file.get(), static_cast<off_t>(entry.bytes)) != 0)
      return FailErrno(errno, "cannot make '{}'", staging_.Where(entry.name));
    GODWIT_TRY(Skip());
    return file;
  }
  // Passes an entry over that is nothing here. The tree counts all of them.
  Result<> Skip() { return tree_.Add(manifest_->entries[next_++]); }

  Result<> End() {
    if (left_ != 0 || next_ != manifest_->entries.size())
      return Fail(Code::kCorrupt, "the image ends before its manifest says");
    return tree_.Finish();
  }

 private:
  Unpacker(Descent staging, TreeWriter tree, const Manifest& manifest)
      : staging_(std::move(staging)), tree_(std::move(tree)), manifest_(&manifest) {}

  // Goes on to the next entry that has content; those without any are made on the way.
  Result<> Advance() {
    while (left_ == 0 && next_ < end_) {
      const ImageEntry& entry = manifest_->entries[next_++];
      GODWIT_TRY(tree_.Add(entry));
      if (entry.kind == Kind::kCriu) {
        GODWIT_TRY(file_, staging_.Open(entry.name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
      }
      left_ = entry.Stored();
    }
    return {};
  }

  Result<> Write(std::string_view bytes) {
    const ImageEntry& entry = manifest_->entries[next_ - 1];
    if (entry.kind != Kind::kCriu) return tree_.Write(bytes);
    return WriteAll(file_.get(), bytes).Within("cannot write '{}'", staging_.Where(entry.name));
  }

  Descent staging_;
  TreeWriter tree_;
  const Manifest* manifest_;
  Fd file_;
  size_t next_ = 0;  // entries begun
  size_t end_ = 0;   // of those that are expected
  uint64_t left_ = 0;
};

// What was written before there were bases has its pages in plain files: as if all were its own.
// Only if they are the last of CRIU's, or the order of the contents would be another.
void TakePlainPages(Manifest& manifest) {
  auto& entries = manifest.entries;
  const auto tree = std::ranges::find_if(
      entries, [](const ImageEntry& entry) { return entry.kind != Kind::kCriu; });
  uint64_t first = 0;
  for (const ImageEntry& entry : entries) {
    if (entry.kind == Kind::kPages) return;
  }
  auto pages = tree;
  while (pages != entries.begin() && HoldsPages(std::prev(pages)->name)) --pages;
  for (auto entry = pages; entry != tree; ++entry) {
    if (entry->bytes % kPage != 0 || entry->bytes / kPage > PageRun::kMost - first) return;
    first += entry->bytes / kPage;
  }
  first = 0;
  for (auto entry = pages; entry != tree; ++entry) {
    entry->kind = Kind::kPages;
    entry->pages = static_cast<uint32_t>(entry->bytes / kPage);
    if (entry->pages > 0)
      entry->runs = {{PageRun::kOwn, static_cast<uint32_t>(first), entry->pages}};
    first += entry->pages;
  }
}

class Fetch {
 public:
  Fetch(storage::Blobs& blobs, const storage::BlobId& id, const ImagePlaces& places,
        std::string_view bond, std::span<const ImageBase> bases)
      : blobs_(blobs), id_(id), places_(places), bond_(bond), bases_(bases) {}

  Result<FetchedImage> Run(uint32_t uid, bool late) {
    GODWIT_TRY(Look());
    GODWIT_TRY(Unpacker unpacker, Unpacker::Begin(places_, uid, image_.manifest));
    const auto& entries = image_.manifest.entries;
    const size_t bases = owners_.size() - 1;
    for (size_t i = 0; i < bases; ++i) GODWIT_TRY(unpacker.Skip());
    const auto first = std::ranges::find(entries, Kind::kPages, &ImageEntry::kind);
    size_t next = first == entries.end() ? bases : static_cast<size_t>(first - entries.begin());
    GODWIT_TRY(Unpack(unpacker, bases, next));
    FetchedImage image;
    if (late && first != entries.end()) {
      GODWIT_TRY(image.late, FindLateMemory(places_.criu));
      if (image.late && !HasPages(image.late->pages)) image.late.reset();
    }
    for (; next < entries.size() && entries[next].kind == Kind::kPages; ++next)
      GODWIT_TRY(AddPages(unpacker, entries[next], image));
    if (next < entries.size() && entries[next].kind == Kind::kSums) {
      GODWIT_TRY(unpacker.Skip());
      ++next;
    }
    GODWIT_TRY(Unpack(unpacker, next, entries.size()));
    GODWIT_TRY(unpacker.End());
    image.facts = std::move(image_.manifest.facts);
    return image;
  }

 private:
  // The manifest, and whose pages it refers to.
  Result<> Look() {
    GODWIT_TRY(const auto reader, blobs_.OpenReader(id_, bond_));
    GODWIT_TRY(image_, ReadManifest(*reader));
    TakePlainPages(image_.manifest);
    owners_.push_back({id_, std::string(bond_), 0, 0});
    const auto& entries = image_.manifest.entries;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].kind == Kind::kPages) {
        if (owners_[0].pages == 0) owners_[0].begin = image_.places[i];
        owners_[0].pages += entries[i].pages;
      }
      if (entries[i].kind != Kind::kBase) continue;
      const auto base = std::ranges::find_if(
          bases_, [&](const ImageBase& one) { return one.id.hex == entries[i].name; });
      if (base == bases_.end())
        return Fail(Code::kCorrupt, "the image refers to the image '{}', its row does not",
                    entries[i].name);
      owners_.push_back({base->id, base->bond, entries[i].bytes, entries[i].pages});
    }
    return {};
  }

  Result<> AddPages(Unpacker& unpacker, const ImageEntry& entry, FetchedImage& image) {
    GODWIT_TRY(Fd file, unpacker.MakeEmpty());
    if (!image.late || image.late->pages != entry.name) {
      const Extent all[] = {{0, entry.bytes}};
      return PutPages(blobs_, owners_, entry.runs, all, file);
    }
    GODWIT_TRY(Check(*image.late, entry.bytes));
    GODWIT_TRY(image.source, OpenLatePages(blobs_, owners_, entry.runs));
    image.put_needed = [file = std::make_shared<Fd>(std::move(file)), needed = image.late->needed,
                        owners = owners_, runs = entry.runs,
                        &blobs = blobs_] { return PutPages(blobs, owners, runs, needed, *file); };
    return {};
  }

  static Result<> Check(const LateMemory& memory, uint64_t bytes) {
    const auto beyond = [&](uint64_t at, uint64_t size) {
      return size > bytes || at > bytes - size;
    };
    bool fits = true;
    for (const Extent& extent : memory.needed) fits &= !beyond(extent.at, extent.bytes);
    for (const PageRange& range : memory.late) fits &= !beyond(range.offset, range.bytes);
    if (fits) return {};
    return Fail(Code::kCorrupt, "the image's map of pages leads beyond them");
  }

  Result<> Unpack(Unpacker& unpacker, size_t from, size_t to) {
    GODWIT_TRY(unpacker.Expect(to));
    if (image_.places[from] == image_.places[to]) return {};
    return blobs_.Stream(id_, [&](std::string_view bytes) { return unpacker.Take(bytes); }, bond_,
                         {image_.places[from], image_.places[to]});
  }

  bool HasPages(const std::string& name) const {
    return std::ranges::any_of(image_.manifest.entries, [&](const ImageEntry& entry) {
      return entry.kind == Kind::kPages && entry.name == name;
    });
  }

  storage::Blobs& blobs_;
  const storage::BlobId& id_;
  const ImagePlaces& places_;
  std::string_view bond_;
  std::span<const ImageBase> bases_;
  PlacedManifest image_;
  std::vector<PageOwner> owners_;
};

}  // namespace

Result<FetchedImage> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                                const ImagePlaces& places, uint32_t uid, std::string_view bond,
                                bool late, std::span<const ImageBase> bases) {
  return Fetch(blobs, id, places, bond, bases).Run(uid, late);
}

}  // namespace godwit::checkpoint
