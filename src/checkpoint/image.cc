#include "checkpoint/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/fault.h"
#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/manifest.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using Kind = ImageEntry::Kind;

// A file's content without a copy.
class Mapping {
 public:
  static Result<Mapping> Open(const std::string& path) {
    GODWIT_TRY(const Fd fd, godwit::Open(path, O_RDONLY | O_NOFOLLOW));
    struct stat st = {};
    if (::fstat(fd.get(), &st) != 0) return FailErrno(errno, "cannot look at '{}'", path);
    Mapping mapping;
    mapping.size_ = static_cast<size_t>(st.st_size);
    if (mapping.size_ == 0) return mapping;
    mapping.data_ =
        ::mmap(nullptr, mapping.size_, PROT_READ, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (mapping.data_ == MAP_FAILED) return FailErrno(errno, "cannot map '{}'", path);
    return mapping;
  }
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, MAP_FAILED)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  std::string_view bytes() const {
    return data_ == MAP_FAILED ? std::string_view()
                               : std::string_view(static_cast<const char*>(data_), size_);
  }

 private:
  void* data_ = MAP_FAILED;
  size_t size_ = 0;
};

struct Contents {
  Manifest manifest;
  std::vector<Mapping> mappings;
  std::vector<std::string> targets;  // of links; reserved, so that views stay
  std::vector<std::string_view> parts;
};

Result<> AddFile(Contents& contents, Kind kind, const std::string& path, std::string name,
                 const struct stat& st) {
  GODWIT_TRY(Mapping mapping, Mapping::Open(path));
  contents.manifest.entries.push_back(
      {kind, std::move(name), mapping.bytes().size(), st.st_mode & 01777U, st.st_mtime});
  contents.parts.push_back(mapping.bytes());
  contents.mappings.push_back(std::move(mapping));
  return {};
}

Result<> AddCriu(Contents& contents, const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  for (const auto& name : names) {
    if (!name.ends_with(".img")) continue;  // logs stay out
    struct stat st = {};
    if (::lstat((directory + "/" + name).c_str(), &st) != 0)
      return FailErrno(errno, "cannot look at '{}'", name);
    GODWIT_TRY(AddFile(contents, Kind::kCriu, directory + "/" + name, name, st));
  }
  return {};
}

// Sockets and pipes are left out: CRIU makes those that are in use again.
Result<> AddTemporary(Contents& contents, const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    paths.push_back(it->path());
  }
  std::ranges::sort(paths);
  contents.targets.reserve(paths.size());
  for (const auto& path : paths) {
    struct stat st = {};
    if (::lstat(path.c_str(), &st) != 0) continue;
    std::string name = path.substr(directory.size() + 1);
    if (S_ISREG(st.st_mode)) {
      GODWIT_TRY(AddFile(contents, Kind::kFile, path, std::move(name), st));
    } else if (S_ISDIR(st.st_mode)) {
      contents.manifest.entries.push_back(
          {Kind::kDirectory, std::move(name), 0, st.st_mode & 01777U, st.st_mtime});
    } else if (S_ISLNK(st.st_mode)) {
      contents.targets.push_back(fs::read_symlink(path, error).string());
      contents.manifest.entries.push_back(
          {Kind::kLink, std::move(name), contents.targets.back().size(), 0, st.st_mtime});
      contents.parts.push_back(contents.targets.back());
    }
  }
  return {};
}

// Takes the blob's stream apart as it comes.
class Unpacker {
 public:
  Unpacker(ImagePlaces places, uint32_t uid) : places_(std::move(places)), uid_(uid) {}

  Result<> Take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!begun_) {
        GODWIT_TRY(TakeHead(bytes));
        continue;
      }
      if (next_ > manifest_.entries.size())
        return Fail(Code::kCorrupt, "the image has more bytes than its manifest says");
      const size_t n = std::min<uint64_t>(bytes.size(), left_);
      GODWIT_TRY(Write(bytes.substr(0, n)));
      bytes.remove_prefix(n);
      left_ -= n;
      if (left_ == 0) GODWIT_TRY(Finish());
    }
    return {};
  }

  Result<std::string> End() {
    if (!begun_ || next_ <= manifest_.entries.size())
      return Fail(Code::kCorrupt, "the image ends before its manifest says");
    return std::move(manifest_.facts);
  }

 private:
  Result<> TakeHead(std::string_view& bytes) {
    const size_t want = head_.size() < 4 ? 4 - head_.size() : HeadSize() + 4 - head_.size();
    const size_t n = std::min(want, bytes.size());
    head_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (head_.size() < 4) return {};
    if (HeadSize() > kMaxManifest)
      return Fail(Code::kCorrupt, "the image's manifest claims {} bytes", HeadSize());
    if (head_.size() < HeadSize() + 4) return {};
    GODWIT_TRY(manifest_, ParseManifest(std::string_view(head_).substr(4)));
    begun_ = true;
    return Finish();
  }

  size_t HeadSize() const {
    uint32_t size = 0;
    std::memcpy(&size, head_.data(), sizeof size);
    return size;
  }

  std::string PathOf(const ImageEntry& entry) const {
    return (entry.kind == Kind::kCriu ? places_.criu : places_.temporary) + "/" + entry.path;
  }

  // Ends the current entry and begins the next that has content; entries without any are made on
  // the way.
  Result<> Finish() {
    if (file_) file_ = Fd();
    if (!link_.empty()) GODWIT_TRY(MakeLink());
    while (next_ < manifest_.entries.size()) {
      const ImageEntry& entry = manifest_.entries[next_++];
      const std::string path = PathOf(entry);
      if (entry.kind == Kind::kDirectory) {
        if (::mkdir(path.c_str(), entry.mode) != 0 && errno != EEXIST)
          return FailErrno(errno, "cannot make '{}'", path);
        GODWIT_TRY(GiveAway(path, entry));
        continue;
      }
      if (entry.kind != Kind::kLink) {
        GODWIT_TRY(file_, Open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
        if (entry.kind == Kind::kFile) GODWIT_TRY(GiveAway(path, entry));
      }
      left_ = entry.bytes;
      if (left_ != 0) return {};
    }
    ++next_;  // past the end: all is there
    return {};
  }

  Result<> Write(std::string_view bytes) {
    if (file_)
      return WriteAll(file_.get(), bytes)
          .Within("cannot write '{}'", PathOf(manifest_.entries[next_ - 1]));
    link_ += bytes;
    return {};
  }

  Result<> MakeLink() {
    const ImageEntry& entry = manifest_.entries[next_ - 1];
    const std::string path = PathOf(entry);
    if (::symlink(link_.c_str(), path.c_str()) != 0)
      return FailErrno(errno, "cannot link '{}'", path);
    link_.clear();
    static_cast<void>(::lchown(path.c_str(), uid_, uid_));
    return {};
  }

  Result<> GiveAway(const std::string& path, const ImageEntry& entry) const {
    const timespec times[2] = {{entry.modified, 0}, {entry.modified, 0}};
    if (::lchown(path.c_str(), uid_, uid_) != 0 || ::chmod(path.c_str(), entry.mode) != 0 ||
        ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      return FailErrno(errno, "cannot give away '{}'", path);
    }
    return {};
  }

  ImagePlaces places_;
  uint32_t uid_;
  std::string head_;
  Manifest manifest_;
  bool begun_ = false;
  size_t next_ = 0;  // entries begun; one more when all are done
  uint64_t left_ = 0;
  Fd file_;
  std::string link_;
};

}  // namespace

Result<StoredImage> StoreImage(storage::Blobs& blobs, const ImagePlaces& places, std::string facts,
                               storage::PutOptions options) {
  Contents contents;
  contents.parts.resize(2);
  GODWIT_TRY(AddCriu(contents, places.criu));
  GODWIT_TRY(AddTemporary(contents, places.temporary));
  contents.manifest.facts = std::move(facts);
  const std::string head = FormatManifest(contents.manifest);
  const auto size = static_cast<uint32_t>(head.size());
  contents.parts[0] = std::string_view(reinterpret_cast<const char*>(&size), sizeof size);
  contents.parts[1] = head;
  GODWIT_TRY(storage::BlobId id, blobs.Put(contents.parts, options));
  GODWIT_TRY(const uint64_t bytes, blobs.StoredSize(id));
  return StoredImage{std::move(id), bytes};
}

Result<std::string> FetchImage(storage::Blobs& blobs, const storage::BlobId& id,
                               const ImagePlaces& places, uint32_t uid) {
  Unpacker unpacker(places, uid);
  GODWIT_TRY(blobs.Stream(id, [&](std::string_view bytes) { return unpacker.Take(bytes); }));
  return unpacker.End();
}

void EmptyDirectory(const std::string& path) {
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    fs::remove_all(it->path(), error);
  }
}

}  // namespace godwit::checkpoint
