#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace godwit {

void Fd::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Fd> Open(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return FailErrno(errno, "cannot open '{}'", path);
  return Fd(fd);
}

Result<> WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot write {} bytes", bytes.size());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<std::string> ReadAll(int fd, size_t limit) {
  std::string bytes;
  size_t have = 0;
  while (true) {
    bytes.resize(std::max<size_t>(have + 4096, have * 2));
    const ssize_t n = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read");
    if (n == 0) break;
    have += static_cast<size_t>(n);
    if (have > limit) return Fail(Code::kTooLarge, "it has more than {} bytes", limit);
  }
  bytes.resize(have);
  return bytes;
}

Result<> WriteAt(int fd, uint64_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot write {} bytes", bytes.size());
    bytes.remove_prefix(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Result<> ReadExactly(int fd, std::span<char> into) {
  size_t have = 0;
  while (have < into.size()) {
    const ssize_t n = ::read(fd, into.data() + have, into.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read");
    if (n == 0) return Fail(Code::kCorrupt, "it ends after {} of {} bytes", have, into.size());
    have += static_cast<size_t>(n);
  }
  return {};
}

}  // namespace godwit
