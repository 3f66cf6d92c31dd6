#include "checkpoint/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/descent.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr uint64_t kSmall = 16 << 20;      // bytes of pages that are opened as a whole
constexpr size_t kMappedFrom = 256 << 10;  // bytes; smaller files are read, which is quicker

// A file of CRIU's without a copy. Nobody else changes those.
class Mapping {
 public:
  static Result<Mapping> Of(const Fd& file, size_t size) {
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (data == MAP_FAILED) return FailErrno(errno, "cannot map {} bytes of an image", size);
    return Mapping(data, size);
  }
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  Mapping(void* data, size_t size) : data_(data), size_(size) {}
  void* data_;
  size_t size_;
};

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
        GODWIT_TRY(Mapping mapping, Mapping::Of(file, size));
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
  std::vector<Mapping> mappings_;
  std::vector<std::string_view> parts_;
};

// The rest of a blob's content, from a place on, chunk by chunk.
class BlobPages final : public PageSource {
 public:
  BlobPages(std::unique_ptr<storage::BlobReader> reader, uint64_t begin)
      : reader_(std::move(reader)), begin_(begin) {}
  Result<> Read(uint64_t offset, std::span<char> into) override {
    return reader_->Read(begin_ + offset, into);
  }

 private:
  std::unique_ptr<storage::BlobReader> reader_;
  uint64_t begin_;
};

// The same of a small one, which is opened as a whole by one thread while another reads it.
class OpenedPages final : public PageSource {
 public:
  explicit OpenedPages(uint64_t size) : size_(size) { bytes_.reserve(size); }

  Result<> Read(uint64_t offset, std::span<char> into) override {
    if (into.size() > size_ || offset > size_ - into.size())
      return Fail(Code::kCorrupt, "the image has {} bytes of pages only", size_);
    std::unique_lock lock(mutex_);
    grown_.wait(lock, [&] { return bytes_.size() >= offset + into.size() || end_; });
    if (bytes_.size() < offset + into.size()) return std::unexpected(*end_);
    bytes_.copy(into.data(), into.size(), offset);
    return {};
  }

  void OpenAll(storage::Blobs& blobs, const storage::BlobId& id, std::string_view bond,
               storage::BlobRange range) {
    Result<> streamed = blobs.Stream(
        id,
        [&](std::string_view bytes) -> Result<> {
          const std::lock_guard lock(mutex_);
          bytes_.append(bytes);  // there is room for all, so nothing moves
          grown_.notify_all();
          return {};
        },
        bond, range);
    const std::lock_guard lock(mutex_);
    end_ = streamed ? Error(Code::kCorrupt, "the image is shorter than it was") : streamed.error();
    grown_.notify_all();
  }

 private:
  const uint64_t size_;
  std::mutex mutex_;
  std::condition_variable grown_;
  std::string bytes_;         // what is opened; guarded by mutex_
  std::optional<Error> end_;  // of the opening: an error for who wants more
};

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

  // Makes the next entry, a file of CRIU's, of its size and without content, and opens it.
  Result<Fd> MakeEmpty() {
    const ImageEntry& entry = manifest_->entries[next_++];
    GODWIT_TRY(Fd file, staging_.Open(entry.name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (::ftruncate(file.get(), static_cast<off_t>(entry.bytes)) != 0)
      return FailErrno(errno, "cannot make '{}'", staging_.Where(entry.name));
    return file;
  }

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

// One image on its way back.
class Fetch {
 public:
  Fetch(storage::Blobs& blobs, const storage::BlobId& id, const ImagePlaces& places,
        std::string_view bond)
      : blobs_(blobs), id_(id), places_(places), bond_(bond) {}

  Result<FetchedImage> Run(uint32_t uid, bool late) {
    GODWIT_TRY(ReadManifest());
    GODWIT_TRY(Unpacker unpacker, Unpacker::Begin(places_, uid, manifest_));
    FetchedImage image;
    size_t done = 0;
    if (const size_t first = late ? FirstPages() : 0; first > 0) {
      GODWIT_TRY(Unpack(unpacker, 0, first));
      done = first;
      GODWIT_TRY(image.late, FindLateMemory(places_.criu));
      const size_t left_out = image.late ? Find(image.late->pages) : 0;
      if (left_out < first) image.late.reset();
      if (image.late) {
        GODWIT_TRY(Unpack(unpacker, first, left_out));
        GODWIT_TRY(CheckRanges(*image.late, manifest_.entries[left_out].bytes));
        GODWIT_TRY(Fd file, unpacker.MakeEmpty());
        GODWIT_TRY(CheckNeeded(image.late->needed, manifest_.entries[left_out].bytes));
        image.put_needed = [file = std::make_shared<Fd>(std::move(file)),
                            needed = image.late->needed, &blobs = blobs_, id = id_,
                            bond = std::string(bond_), begin = places_of_[left_out]] {
          return PutNeeded(*file, needed, begin, blobs, id, bond);
        };
        SetSource(image, left_out);
        done = left_out + 1;
      }
    }
    GODWIT_TRY(Unpack(unpacker, done, manifest_.entries.size()));
    GODWIT_TRY(unpacker.End());
    image.facts = std::move(manifest_.facts);
    return image;
  }

 private:
  Result<> ReadManifest() {
    GODWIT_TRY(reader_, blobs_.OpenReader(id_, bond_));
    if (reader_->size() < kManifestHead)
      return Fail(Code::kCorrupt, "the image ends before its manifest does");
    std::string head(kManifestHead, '\0');
    GODWIT_TRY(reader_->Read(0, head));
    GODWIT_TRY(const uint64_t bytes, ManifestBytes(head));
    if (bytes > reader_->size())
      return Fail(Code::kCorrupt, "the image ends before its manifest does");
    head.resize(bytes);
    GODWIT_TRY(reader_->Read(0, head));
    GODWIT_TRY(manifest_, ParseManifest(head));
    uint64_t place = bytes;
    for (const ImageEntry& entry : manifest_.entries) {
      places_of_.push_back(place);
      place += entry.Stored();
    }
    places_of_.push_back(place);
    if (place == reader_->size()) return {};
    return Fail(Code::kCorrupt, "the image has {} bytes, and its manifest says {}", reader_->size(),
                place);
  }

  static Result<> CheckNeeded(const std::vector<Extent>& needed, uint64_t bytes) {
    for (const Extent& extent : needed) {
      if (extent.bytes > bytes || extent.at > bytes - extent.bytes)
        return Fail(Code::kCorrupt, "the image's map of pages leads beyond them");
    }
    return {};
  }

  static Result<> PutNeeded(const Fd& file, const std::vector<Extent>& needed, uint64_t begin,
                            storage::Blobs& blobs, const storage::BlobId& id,
                            std::string_view bond) {
    for (const Extent& extent : needed) {
      uint64_t at = extent.at;
      const auto write = [&](std::string_view bytes) {
        const uint64_t here = std::exchange(at, at + bytes.size());
        return WriteAt(file.get(), here, bytes);
      };
      GODWIT_TRY(
          blobs.Stream(id, write, bond, {begin + extent.at, begin + extent.at + extent.bytes}));
    }
    return {};
  }

  void SetSource(FetchedImage& image, size_t entry) {
    const storage::BlobRange range = {places_of_[entry], places_of_[entry + 1]};
    if (range.to - range.from > kSmall) {
      image.source = std::make_shared<BlobPages>(std::move(reader_), range.from);
      return;
    }
    const auto opened = std::make_shared<OpenedPages>(range.to - range.from);
    image.source = opened;
    image.open_all = [opened, &blobs = blobs_, id = id_, bond = std::string(bond_), range] {
      opened->OpenAll(blobs, id, bond, range);
    };
  }

  Result<> Unpack(Unpacker& unpacker, size_t from, size_t to) {
    GODWIT_TRY(unpacker.Expect(to));
    if (places_of_[from] == places_of_[to]) return {};
    return blobs_.Stream(id_, [&](std::string_view bytes) { return unpacker.Take(bytes); }, bond_,
                         {places_of_[from], places_of_[to]});
  }

  // Of those that hold pages, if all the rest of CRIU's stands before them; else 0.
  size_t FirstPages() const {
    const auto& entries = manifest_.entries;
    const auto pages = [](const ImageEntry& entry) {
      return entry.kind == Kind::kCriu && HoldsPages(entry.name);
    };
    const auto first = std::ranges::find_if(entries, pages);
    const auto rest = std::find_if(first, entries.end(), [&](const ImageEntry& entry) {
      return entry.kind == Kind::kCriu && !pages(entry);
    });
    if (first == entries.end() || rest != entries.end()) return 0;
    return static_cast<size_t>(first - entries.begin());
  }

  size_t Find(const std::string& name) const {
    const auto found = std::ranges::find_if(manifest_.entries, [&](const ImageEntry& entry) {
      return entry.kind == Kind::kCriu && entry.name == name;
    });
    return found == manifest_.entries.end()
               ? 0
               : static_cast<size_t>(found - manifest_.entries.begin());
  }

  static Result<> CheckRanges(const LateMemory& memory, uint64_t bytes) {
    for (const PageRange& range : memory.late) {
      if (range.bytes > bytes || range.offset > bytes - range.bytes)
        return Fail(Code::kCorrupt, "the image's map of pages leads beyond them");
    }
    return {};
  }

  storage::Blobs& blobs_;
  const storage::BlobId& id_;
  const ImagePlaces& places_;
  std::string_view bond_;
  std::unique_ptr<storage::BlobReader> reader_;
  Manifest manifest_;
  std::vector<uint64_t> places_of_;  // of each entry's content in the blob, and the end
};

}  // namespace

Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places, std::string facts,
                               storage::PutOptions options) {
  Manifest manifest;
  manifest.facts = std::move(facts);
  CriuFiles criu;
  GODWIT_TRY(criu.Read(places.criu, manifest.entries));
  GODWIT_TRY(ListTree(places.temporary, manifest.entries).Within("cannot look at /tmp"));
  const std::string head = FormatManifest(manifest);
  // What could not be read back would be found out when it is too late.
  GODWIT_TRY(const Manifest again, ParseManifest(head).Within("the image would be unreadable"));
  if (again.entries != manifest.entries || again.facts != manifest.facts)
    return Fail(Code::kInternal, "the image's manifest does not read as it was written");
  GODWIT_TRY(TreeReader files, TreeReader::Begin(places.temporary, manifest.entries));
  storage::Tail tail(files.bytes(), [&](std::span<char> into) { return files.Read(into); });
  std::vector<std::string_view> parts = {head};
  parts.insert(parts.end(), criu.parts().begin(), criu.parts().end());
  GODWIT_TRY(storage::BlobId id, blobs.PutUnique(parts, tail, options));
  GODWIT_TRY(const uint64_t bytes, blobs.StoredSize(id));
  return StoredImage{std::move(id), bytes};
}

Result<FetchedImage> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                                const ImagePlaces& places, uint32_t uid, std::string_view bond,
                                bool late) {
  return Fetch(blobs, id, places, bond).Run(uid, late);
}

}  // namespace godwit::checkpoint
