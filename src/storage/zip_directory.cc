#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/try.h"
#include "storage/archive.h"
#include "storage/entry_path.h"
#include "storage/utf8_locale.h"

namespace godwit::storage {
namespace {

namespace fs = std::filesystem;

struct WriterFreed {
  void operator()(struct archive* writer) const { archive_write_free(writer); }
};
struct EntryFreed {
  void operator()(struct archive_entry* entry) const { archive_entry_free(entry); }
};

// Sorted by name, so that a directory comes before what is in it.
Result<std::vector<std::string>> PathsBelow(const std::string& directory,
                                            const ExtractLimits& limits,
                                            std::span<const std::string_view> leave_out) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (std::ranges::find(leave_out, it->path().filename().string()) != leave_out.end()) {
      it.disable_recursion_pending();
      continue;
    }
    paths.push_back(it->path().lexically_relative(directory));
    if (paths.size() > limits.entries) {
      return Fail(Code::kTooLarge, "it holds more than {} files and directories (deploy less)",
                  limits.entries);
    }
  }
  if (error) return FailErrno(error.value(), "it cannot be listed");
  std::ranges::sort(paths);
  return paths;
}

class Zip {
 public:
  Zip(const std::string& directory, const ExtractLimits& limits)
      : directory_(directory), limits_(limits), writer_(archive_write_new()) {
    archive_write_set_format_zip(writer_.get());
    archive_write_set_bytes_per_block(writer_.get(), 0);
    archive_write_open2(writer_.get(), &bytes_, nullptr, Append, nullptr, nullptr);
  }

  Result<> Add(const std::string& path) {
    const std::string full = directory_ + '/' + path;
    struct stat st = {};
    if (::lstat(full.c_str(), &st) != 0) return FailErrno(errno, "it cannot be looked at");
    GODWIT_TRY(CleanEntryPath(path, limits_.path_bytes));
    // A zip that holds such a name says that it is UTF-8, and nobody could unpack it.
    if (std::mbstowcs(nullptr, path.c_str(), 0) == static_cast<size_t>(-1)) {
      return Fail(Code::kInvalid, "its name is not UTF-8 (rename it)");
    }
    const std::unique_ptr<struct archive_entry, EntryFreed> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), path.c_str());
    std::string body;
    if (S_ISDIR(st.st_mode)) {
      archive_entry_set_mode(entry.get(), AE_IFDIR | 0755);
    } else if (S_ISREG(st.st_mode)) {
      GODWIT_TRY(const Fd file, Open(full, O_RDONLY | O_NOFOLLOW));
      GODWIT_TRY(body, ReadAll(file.get(), limits_.total_bytes - total_));
      total_ += body.size();
      archive_entry_set_mode(entry.get(), AE_IFREG | ((st.st_mode & S_IXUSR) != 0 ? 0755 : 0644));
      archive_entry_set_size(entry.get(), static_cast<la_int64_t>(body.size()));
    } else if (S_ISLNK(st.st_mode)) {
      std::error_code error;
      const std::string target = fs::read_symlink(full, error);
      if (error) return FailErrno(error.value(), "the link cannot be read");
      GODWIT_TRY(CheckLinkTarget(path, target));
      archive_entry_set_mode(entry.get(), AE_IFLNK | 0777);
      archive_entry_set_symlink(entry.get(), target.c_str());
    } else {
      return Fail(Code::kInvalid, "it is neither a file, a directory nor a link");
    }
    if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK ||
        archive_write_data(writer_.get(), body.data(), body.size()) < 0) {
      return Fail(Code::kInternal, "{}", archive_error_string(writer_.get()));
    }
    return {};
  }

  Result<std::string> Finish() {
    if (archive_write_close(writer_.get()) != ARCHIVE_OK) {
      return Fail(Code::kInternal, "{}", archive_error_string(writer_.get()));
    }
    return std::move(bytes_);
  }

 private:
  static la_ssize_t Append(struct archive*, void* to, const void* bytes, size_t size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  }

  const std::string& directory_;
  const ExtractLimits& limits_;
  std::string bytes_;
  uint64_t total_ = 0;
  std::unique_ptr<struct archive, WriterFreed> writer_;  // the last member: it writes to bytes_
};

Result<std::string> ZipAll(const std::string& directory, const ExtractLimits& limits,
                           std::span<const std::string_view> leave_out) {
  GODWIT_TRY(const auto paths, PathsBelow(directory, limits, leave_out));
  if (paths.empty()) return Fail(Code::kInvalid, "the folder is empty (put code into it)");
  const Utf8Locale utf8;
  Zip zip(directory, limits);
  for (const auto& path : paths) {
    GODWIT_TRY(zip.Add(path).Within("'{}'", ShownEntry(path)));
  }
  return zip.Finish();
}

}  // namespace

Result<std::string> ZipDirectory(const std::string& directory, const ExtractLimits& limits,
                                 std::span<const std::string_view> leave_out) {
  return ZipAll(directory, limits, leave_out).Within("cannot zip '{}'", directory);
}

}  // namespace godwit::storage
