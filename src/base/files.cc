#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit {
namespace {

namespace fs = std::filesystem;

Result<> SyncPath(const std::string& path, int flags) {
  GODWIT_TRY(const Fd fd, Open(path, flags));
  if (::fsync(fd.get()) != 0) return FailErrno(errno, "cannot sync '{}'", path);
  return {};
}

class Disk : public Files {
 public:
  Result<std::string> Read(const std::string& path, size_t limit) override {
    GODWIT_TRY(const Fd fd, Open(path, O_RDONLY));
    return ReadAll(fd.get(), limit).Within("cannot read '{}'", path);
  }

  Result<> Write(const std::string& path, std::string_view bytes, Durability durability) override {
    const std::string part = fmt::format("{}.part.{}.{}", path, ::getpid(), part_++);
    ScopeExit tidy([&] { ::unlink(part.c_str()); });
    {
      GODWIT_TRY(const Fd fd, Open(part, O_WRONLY | O_CREAT | O_EXCL, 0600));
      GODWIT_TRY(WriteAll(fd.get(), bytes).Within("cannot write '{}'", path));
      if (durability == Durability::kDurable && ::fdatasync(fd.get()) != 0) {
        return FailErrno(errno, "cannot sync '{}'", path);
      }
    }
    if (::rename(part.c_str(), path.c_str()) != 0)
      return FailErrno(errno, "cannot write '{}'", path);
    tidy.Release();
    if (durability == Durability::kDurable)
      return SyncPath(fs::path(path).parent_path(), O_RDONLY | O_DIRECTORY);
    return {};
  }

  Result<> Sync(const std::string& path) override {
    GODWIT_TRY(SyncPath(path, O_RDONLY));
    return SyncPath(fs::path(path).parent_path(), O_RDONLY | O_DIRECTORY);
  }

  Result<> Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return FailErrno(errno, "cannot remove '{}'", path);
    return {};
  }

  Result<> MakeDirectory(const std::string& path) override {
    const fs::path whole(path);
    fs::path so_far;
    for (const auto& step : whole) {
      so_far /= step;
      if (::mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST) {
        return FailErrno(errno, "cannot make the directory '{}'", so_far.string());
      }
    }
    if (!fs::is_directory(whole)) return Fail(Code::kConflict, "'{}' is not a directory", path);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      names.push_back(it->path().filename());
    }
    if (error && error != std::errc::no_such_file_or_directory) {
      return FailErrno(error.value(), "cannot list '{}'", path);
    }
    std::ranges::sort(names);
    return names;
  }

  Result<uint64_t> Size(const std::string& path) override {
    struct stat st = {};
    if (::stat(path.c_str(), &st) != 0) return FailErrno(errno, "cannot look at '{}'", path);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  std::atomic<unsigned> part_ = 0;
};

}  // namespace

std::unique_ptr<Files> DiskFiles() { return std::make_unique<Disk>(); }

}  // namespace godwit
