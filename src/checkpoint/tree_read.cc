#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_map>

#include "base/try.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr uint64_t kStatBlock = 512;  // bytes; stat(2)

class Lister {
 public:
  Lister(Descent place, std::vector<ImageEntry>& entries)
      : place_(std::move(place)), entries_(entries) {}

  Result<> All() {
    std::vector<std::vector<std::string>> left;  // names to come, the next one last
    GODWIT_TRY(left.emplace_back(), NamesToCome());
    while (true) {
      if (left.back().empty()) {
        left.pop_back();
        if (left.empty()) return {};
        GODWIT_TRY(place_.Leave());
        entries_.push_back({.kind = Kind::kUp});
        continue;
      }
      const std::string name = std::move(left.back().back());
      left.back().pop_back();
      GODWIT_TRY(const bool entered, AddOne(name));
      if (entered) {
        GODWIT_TRY(left.emplace_back(), NamesToCome());
      }
    }
  }

 private:
  Result<std::vector<std::string>> NamesToCome() const {
    GODWIT_TRY(std::vector<std::string> names, place_.Names());
    std::ranges::reverse(names);
    return names;
  }

  // Whether it is a directory, and entered.
  Result<bool> AddOne(const std::string& name) {
    GODWIT_TRY(const struct stat st, place_.Look(name));
    if (S_ISSOCK(st.st_mode)) return false;
    ImageEntry entry{.name = name,
                     .mode = st.st_mode & 07777U,
                     .seconds = st.st_mtim.tv_sec,
                     .nanoseconds = static_cast<uint32_t>(st.st_mtim.tv_nsec)};
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      const auto [known, is_new] =
          seen_.try_emplace(st.st_ino, static_cast<uint32_t>(entries_.size()));
      if (!is_new) {
        entries_.push_back({.kind = Kind::kAgain, .name = name, .first = known->second});
        return false;
      }
    }
    if (S_ISREG(st.st_mode)) {
      GODWIT_TRY(CheckPlain(name));
      GODWIT_TRY(Measure(entry, st));
    } else if (S_ISDIR(st.st_mode)) {
      GODWIT_TRY(CheckPlain(name));
      entry.kind = Kind::kDirectory;
    } else if (S_ISLNK(st.st_mode)) {
      entry.kind = Kind::kLink;
      std::array<char, PATH_MAX> target{};
      const ssize_t n = ::readlinkat(place_.fd(), name.c_str(), target.data(), target.size());
      if (n < 0) return FailErrno(errno, "cannot read the link '{}'", place_.Where(name));
      entry.target.assign(target.data(), static_cast<size_t>(n));
    } else if (S_ISFIFO(st.st_mode)) {
      entry.kind = Kind::kFifo;
    } else {
      return Fail(Code::kUnsupported, "'{}' is a device, which an image cannot carry",
                  place_.Where(name));
    }
    const bool directory = entry.kind == Kind::kDirectory;
    entries_.push_back(std::move(entry));
    if (directory) GODWIT_TRY(place_.Enter(name));
    return directory;
  }

  Result<> Measure(ImageEntry& entry, const struct stat& st) const {
    entry.kind = Kind::kFile;
    entry.bytes = static_cast<uint64_t>(st.st_size);
    if (static_cast<uint64_t>(st.st_blocks) * kStatBlock >= entry.bytes) return {};
    GODWIT_TRY(const Fd file, place_.Open(entry.name, O_RDONLY | O_NOATIME));
    entry.kind = Kind::kSparse;
    off_t end = 0;
    while (end < st.st_size) {
      const off_t begin = ::lseek(file.get(), end, SEEK_DATA);
      if (begin < 0 && errno == ENXIO) break;  // a hole to the end
      end = begin < 0 ? -1 : ::lseek(file.get(), begin, SEEK_HOLE);
      if (end < 0)
        return FailErrno(errno, "cannot find the holes of '{}'", place_.Where(entry.name));
      if (end <= begin || end > st.st_size) {
        return Fail(Code::kBusy, "'{}' changed while it was read", place_.Where(entry.name));
      }
      entry.extents.push_back({static_cast<uint64_t>(begin), static_cast<uint64_t>(end - begin)});
    }
    return {};
  }

  // Attributes and access lists are not carried. By way of /proc, for there is no listxattrat(2)
  // before Linux 6.13: its last step is the descriptor, and `name` is not followed.
  Result<> CheckPlain(const std::string& name) const {
    const std::string path = fmt::format("/proc/self/fd/{}/{}", place_.fd(), name);
    std::array<char, 4096> list{};
    const ssize_t n = ::llistxattr(path.c_str(), list.data(), list.size());
    if (n < 0 && errno != ENOTSUP && errno != ERANGE)
      return FailErrno(errno, "cannot look at '{}'", place_.Where(name));
    bool plain = n >= 0 || errno == ENOTSUP;
    for (std::string_view left(list.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
         !left.empty(); left.remove_prefix(left.find('\0') + 1)) {
      plain = plain && !left.starts_with("user.") && !left.starts_with("system.");
    }
    if (plain) return {};
    return Fail(Code::kUnsupported,
                "'{}' has extended attributes or an access list, which an image cannot carry",
                place_.Where(name));
  }

  Descent place_;
  std::vector<ImageEntry>& entries_;
  std::unordered_map<ino_t, uint32_t> seen_;  // of more than one name: its entry
};

}  // namespace

Result<> ListTree(const std::string& top, std::vector<ImageEntry>& entries) {
  GODWIT_TRY(Descent place, Descent::Begin(top, "/tmp"));
  return Lister(std::move(place), entries).All();
}

Result<TreeReader> TreeReader::Begin(const std::string& top,
                                     const std::vector<ImageEntry>& entries) {
  GODWIT_TRY(Descent place, Descent::Begin(top, "/tmp"));
  return TreeReader(std::move(place), entries);
}

uint64_t TreeReader::bytes() const {
  uint64_t sum = 0;
  for (const ImageEntry& entry : *entries_) {
    if (entry.kind == Kind::kFile || entry.kind == Kind::kSparse) sum += entry.Stored();
  }
  return sum;
}

Result<> TreeReader::Read(std::span<char> into) {
  while (!into.empty()) {
    if (left_ == 0 && entry_ != nullptr && extent_ < entry_->extents.size()) {
      const Extent& extent = entry_->extents[extent_++];
      at_ = extent.at;
      left_ = extent.bytes;
    }
    if (left_ == 0) {
      GODWIT_TRY(NextFile());
      continue;
    }
    const ssize_t n =
        ::pread(file_.get(), into.data(), std::min(left_, into.size()), static_cast<off_t>(at_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read '{}'", place_.Where(entry_->name));
    if (n == 0)
      return Fail(Code::kBusy, "'{}' became shorter while it was read", place_.Where(entry_->name));
    into = into.subspan(static_cast<size_t>(n));
    at_ += static_cast<uint64_t>(n);
    left_ -= static_cast<uint64_t>(n);
    if (left_ == 0 && extent_ == entry_->extents.size()) GODWIT_TRY(CheckUnchanged());
  }
  return {};
}

Result<> TreeReader::NextFile() {
  while (next_ < entries_->size()) {
    const ImageEntry& entry = (*entries_)[next_++];
    if (entry.kind == Kind::kDirectory) GODWIT_TRY(place_.Enter(entry.name));
    if (entry.kind == Kind::kUp) GODWIT_TRY(place_.Leave());
    if ((entry.kind != Kind::kFile && entry.kind != Kind::kSparse) || entry.Stored() == 0) continue;
    GODWIT_TRY(file_, place_.Open(entry.name, O_RDONLY | O_NOATIME));
    entry_ = &entry;
    extent_ = 0;
    at_ = 0;
    left_ = entry.kind == Kind::kFile ? entry.bytes : 0;
    return {};
  }
  return Fail(Code::kInternal, "more was read of /tmp than was found there");
}

Result<> TreeReader::CheckUnchanged() const {
  struct stat st = {};
  if (::fstat(file_.get(), &st) != 0)
    return FailErrno(errno, "cannot look at '{}'", place_.Where(entry_->name));
  if (S_ISREG(st.st_mode) && static_cast<uint64_t>(st.st_size) == entry_->bytes &&
      st.st_mtim.tv_sec == entry_->seconds &&
      static_cast<uint32_t>(st.st_mtim.tv_nsec) == entry_->nanoseconds) {
    return {};
  }
  return Fail(Code::kBusy, "'{}' changed while it was read", place_.Where(entry_->name));
}

}  // namespace godwit::checkpoint
