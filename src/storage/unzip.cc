#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"
#include "storage/archive.h"
#include "storage/entry_path.h"
#include "storage/utf8_locale.h"

namespace godwit::storage {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;

struct Freed {
  void operator()(struct archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<struct archive, Freed>;

std::string ReasonOf(struct archive* reader) {
  const char* const text = archive_error_string(reader);
  return text != nullptr ? ShownEntry(text) : "it is damaged";
}

std::string NameOf(struct archive_entry* entry) {
  const char* const name = archive_entry_pathname(entry);
  return name != nullptr ? name : "";
}

class Extraction {
 public:
  Extraction(int root, const ExtractLimits& limits) : root_(root), limits_(limits) {}

  // Everything but links, which are only remembered: nothing is ever written through one.
  Result<> Add(struct archive* reader, struct archive_entry* entry) {
    const std::string name = NameOf(entry);
    return AddNamed(name, reader, entry).Within("entry '{}'", ShownEntry(name));
  }

  Result<> MakeLinks() {
    for (const auto& [path, target] : links_) {
      if (::symlinkat(target.c_str(), root_, path.c_str()) != 0) {
        return FailErrno(errno, "entry '{}'", ShownEntry(path));
      }
    }
    // Link by link each may look harmless while they leave together, so the kernel is asked.
    for (const auto& [path, target] : links_) {
      GODWIT_TRY(CheckLink(path).Within("entry '{}'", ShownEntry(path)));
    }
    return {};
  }

  bool empty() const { return files_ == 0; }

 private:
  struct Link {
    std::string path;
    std::string target;
  };

  Result<> AddNamed(const std::string& name, struct archive* reader, struct archive_entry* entry) {
    GODWIT_TRY(const std::string path, CleanEntryPath(name, limits_.path_bytes));
    if (archive_entry_is_encrypted(entry) != 0) {
      return Fail(Code::kInvalid, "it is encrypted");
    }
    if (archive_entry_hardlink(entry) != nullptr) return Fail(Code::kInvalid, "it is a hard link");
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR) return MakeDirectory(path);
    if (path.empty()) return Fail(Code::kInvalid, "it has the name of the directory itself");
    GODWIT_TRY(MakeDirectory(path.substr(0, path.rfind('/') + 1)));
    GODWIT_TRY(Claim(path));
    ++files_;
    if (type == AE_IFREG) return WriteFile(path, reader, entry);
    if (type != AE_IFLNK) return Fail(Code::kInvalid, "it is neither a file nor a directory");
    const char* const target = archive_entry_symlink(entry);
    GODWIT_TRY(CheckLinkTarget(path, target != nullptr ? target : ""));
    links_.push_back({path, target});
    return {};
  }

  // A name is given once.
  Result<> Claim(const std::string& path) {
    if (directories_.contains(path) || !names_.insert(path).second)
      return Fail(Code::kInvalid, "it is there twice");
    if (names_.size() + directories_.size() > limits_.entries) {
      return Fail(Code::kTooLarge, "it is one too many, {} are allowed", limits_.entries);
    }
    return {};
  }

  // Also makes those above it. A directory may be named, or implied, any number of times.
  Result<> MakeDirectory(std::string_view path) {
    for (size_t end = path.find('/'); !path.empty(); end = path.find('/', end + 1)) {
      std::string step(path.substr(0, end));
      if (names_.contains(step)) return Fail(Code::kInvalid, "'{}' is a file", ShownEntry(step));
      if (!directories_.contains(step)) {
        if (names_.size() + directories_.size() >= limits_.entries) {
          return Fail(Code::kTooLarge, "it is one too many, {} are allowed", limits_.entries);
        }
        if (::mkdirat(root_, step.c_str(), 0755) != 0 ||
            ::fchmodat(root_, step.c_str(), 0755, 0) != 0) {
          return FailErrno(errno, "cannot make the directory");
        }
        directories_.insert(std::move(step));
      }
      if (end == std::string_view::npos || end + 1 == path.size()) break;
    }
    return {};
  }

  Result<> WriteFile(const std::string& path, struct archive* reader, struct archive_entry* entry) {
    const int made =
        ::openat(root_, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made < 0) return FailErrno(errno, "cannot make the file");
    const Fd file(made);
    std::vector<char> piece(kPieceBytes);
    while (true) {
      const la_ssize_t n = archive_read_data(reader, piece.data(), piece.size());
      if (n < 0) return Fail(Code::kInvalid, "{}", ReasonOf(reader));
      if (n == 0) break;
      total_ += static_cast<uint64_t>(n);
      if (total_ > limits_.total_bytes) {
        return Fail(Code::kTooLarge, "with it more than {} bytes are unpacked, which is the limit",
                    limits_.total_bytes);
      }
      GODWIT_TRY(WriteAll(file.get(), {piece.data(), static_cast<size_t>(n)}));
    }
    const bool executable = (archive_entry_perm(entry) & S_IXUSR) != 0;
    if (::fchmod(file.get(), executable ? 0755 : 0644) != 0)
      return FailErrno(errno, "cannot chmod");
    return {};
  }

  Result<> CheckLink(const std::string& path) const {
    const struct open_how how = {
        .flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_BENEATH};
    const Fd end(static_cast<int>(::syscall(SYS_openat2, root_, path.c_str(), &how, sizeof how)));
    if (end || errno == ENOENT) return {};
    if (errno == EXDEV) return Fail(Code::kInvalid, "it is a link that leaves the directory");
    if (errno == ELOOP) return Fail(Code::kInvalid, "it is a link that ends nowhere but in itself");
    if (errno == ENOTDIR) return Fail(Code::kInvalid, "it is a link through what is no directory");
    return FailErrno(errno, "cannot follow the link");
  }

  const int root_;
  const ExtractLimits& limits_;
  std::set<std::string, std::less<>> names_;
  std::set<std::string, std::less<>> directories_;
  std::vector<Link> links_;
  size_t files_ = 0;
  uint64_t total_ = 0;
};

Result<> ExtractTo(std::string_view zip, int root, const ExtractLimits& limits) {
  const Utf8Locale utf8;
  const Reader reader(archive_read_new());
  // Only by its central directory: what a zip without one holds is anybody's guess.
  archive_read_support_format_zip_seekable(reader.get());
  if (archive_read_open_memory(reader.get(), zip.data(), zip.size()) != ARCHIVE_OK) {
    return Fail(Code::kInvalid, "it is not a zip file: {}", ReasonOf(reader.get()));
  }
  Extraction extraction(root, limits);
  struct archive_entry* entry = nullptr;
  while (true) {
    const int answer = archive_read_next_header(reader.get(), &entry);
    if (answer == ARCHIVE_EOF) break;
    if (answer != ARCHIVE_OK && answer != ARCHIVE_WARN) {
      return Fail(Code::kInvalid, "it is not a whole zip file: {}", ReasonOf(reader.get()));
    }
    GODWIT_TRY(extraction.Add(reader.get(), entry));
  }
  if (extraction.empty()) return Fail(Code::kInvalid, "it holds no file");
  return extraction.MakeLinks();
}

}  // namespace

Result<> ExtractZip(std::string_view zip, const std::string& directory,
                    const ExtractLimits& limits) {
  std::string part = directory + ".part-XXXXXX";
  if (::mkdtemp(part.data()) == nullptr) {
    return FailErrno(errno, "cannot make a directory beside '{}'", directory);
  }
  ScopeExit tidy([&] {
    std::error_code ignored;
    std::filesystem::remove_all(part, ignored);
  });
  {
    GODWIT_TRY(const Fd root, Open(part, O_RDONLY | O_DIRECTORY));
    GODWIT_TRY(ExtractTo(zip, root.get(), limits).Within("cannot unpack the zip file"));
    if (::fchmod(root.get(), 0755) != 0) return FailErrno(errno, "cannot chmod '{}'", part);
  }
  if (std::rename(part.c_str(), directory.c_str()) != 0) {
    return FailErrno(errno, "cannot make the directory '{}'", directory);
  }
  tidy.Release();
  return {};
}

}  // namespace godwit::storage
