#include "checkpoint/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
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
    GODWIT_TRY(const std::vector<std::string> names, staging.Names());
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

// Takes the blob's stream apart as it comes.
class Unpacker {
 public:
  Unpacker(ImagePlaces places, uint32_t uid) : places_(std::move(places)), uid_(uid) {}

  Result<> Take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!tree_) {
        GODWIT_TRY(TakeManifest(bytes));
        continue;
      }
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

  Result<std::string> End() {
    if (!tree_ || left_ != 0)
      return Fail(Code::kCorrupt, "the image ends before its manifest says");
    GODWIT_TRY(tree_->Finish());
    return std::move(manifest_.facts);
  }

 private:
  Result<> TakeManifest(std::string_view& bytes) {
    const auto append = [&](uint64_t want) {
      const auto piece = bytes.substr(0, want - std::min<uint64_t>(want, head_.size()));
      head_.append(piece);
      bytes.remove_prefix(piece.size());
      return head_.size() >= want;
    };
    if (!append(kManifestHead)) return {};
    GODWIT_TRY(const uint64_t size, ManifestBytes(head_));
    if (!append(size)) return {};
    GODWIT_TRY(manifest_, ParseManifest(head_));
    head_ = std::string();
    GODWIT_TRY(Descent staging, Descent::Begin(places_.criu, places_.criu));
    staging_ = std::move(staging);
    GODWIT_TRY(TreeWriter tree, TreeWriter::Begin(places_.temporary, uid_, manifest_.entries));
    tree_ = std::move(tree);
    return Advance();
  }

  // Goes on to the next entry that has content; those without any are made on the way.
  Result<> Advance() {
    while (left_ == 0 && next_ < manifest_.entries.size()) {
      const ImageEntry& entry = manifest_.entries[next_++];
      GODWIT_TRY(tree_->Add(entry));
      if (entry.kind == Kind::kCriu) {
        GODWIT_TRY(file_, staging_->Open(entry.name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
      }
      left_ = entry.Stored();
    }
    return {};
  }

  Result<> Write(std::string_view bytes) {
    const ImageEntry& entry = manifest_.entries[next_ - 1];
    if (entry.kind != Kind::kCriu) return tree_->Write(bytes);
    return WriteAll(file_.get(), bytes).Within("cannot write '{}'", staging_->Where(entry.name));
  }

  ImagePlaces places_;
  uint32_t uid_;
  std::string head_;
  Manifest manifest_;
  std::optional<Descent> staging_;
  std::optional<TreeWriter> tree_;  // once the manifest is there
  Fd file_;
  size_t next_ = 0;  // entries begun
  uint64_t left_ = 0;
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

Result<std::string> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                               const ImagePlaces& places, uint32_t uid) {
  Unpacker unpacker(places, uid);
  GODWIT_TRY(blobs.Stream(id, [&](std::string_view bytes) { return unpacker.Take(bytes); }));
  return unpacker.End();
}

}  // namespace godwit::checkpoint
