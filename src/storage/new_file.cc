#include "storage/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/try.h"

namespace godwit::storage {
namespace {

constexpr std::string_view kPart = "part-";

}  // namespace

Result<NewFile> NewFile::In(const std::string& directory, const std::string& mark, Kind kind) {
  std::string part = fmt::format("{}/{}{}", directory, kPart, mark);
  if (kind == Kind::kUnnamed) {
    const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return NewFile(Fd(fd), std::move(part), false);
    if (errno != EOPNOTSUPP && errno != EISDIR) {
      return FailErrno(errno, "cannot make a file in '{}'", directory);
    }
  }
  GODWIT_TRY(Fd fd, Open(part, O_RDWR | O_CREAT | O_EXCL, 0600));
  return NewFile(std::move(fd), std::move(part), true);
}

NewFile::NewFile(Fd fd, std::string part, bool named)
    : fd_(std::move(fd)), part_(std::move(part)), named_(named) {}

NewFile::NewFile(NewFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      part_(std::move(other.part_)),
      named_(std::exchange(other.named_, false)) {}

NewFile::~NewFile() {
  if (named_) ::unlink(part_.c_str());
}

Result<> NewFile::PublishAs(const std::string& path) {
  if (!named_) {
    const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
    const auto link = [&](const std::string& to) {
      return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW);
    };
    if (link(path) == 0) return {};
    // The name is taken, and linkat() never replaces: by way of a name that rename() can.
    if (errno != EEXIST) return FailErrno(errno, "cannot make '{}'", path);
    if (link(part_) != 0) return FailErrno(errno, "cannot make '{}'", part_);
    named_ = true;
  }
  if (::rename(part_.c_str(), path.c_str()) != 0) return FailErrno(errno, "cannot make '{}'", path);
  named_ = false;
  return {};
}

void NewFile::RemoveParts(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().starts_with(kPart)) ::unlink(it->path().c_str());
  }
}

Result<> SyncDirectory(const std::string& path) {
  GODWIT_TRY(const Fd fd, Open(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return FailErrno(errno, "cannot sync '{}'", path);
  return {};
}

}  // namespace godwit::storage
