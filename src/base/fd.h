#pragma once

// An owned file descriptor, and reads and writes that finish what they began.
//
// Threads: an Fd is used by one thread at a time. Failure: errors name what the caller says it is
// doing.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace godwit {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Close();

 private:
  int fd_ = -1;
};

// Opens with O_CLOEXEC added. kNotFound, kDenied, ... by errno, naming `path`.
Result<Fd> Open(const std::string& path, int flags, unsigned mode = 0);

// Writes all of `bytes`, or says why not (kNoSpace on a full disk).
Result<> WriteAll(int fd, std::string_view bytes);

// The same from `at` on, wherever the file stands.
Result<> WriteAt(int fd, uint64_t at, std::string_view bytes);

// Reads to the end of the file, at most `limit` bytes; kTooLarge beyond it.
Result<std::string> ReadAll(int fd, size_t limit);

// Reads exactly `into.size()` bytes; kCorrupt if the file ends before.
Result<> ReadExactly(int fd, std::span<char> into);

}  // namespace godwit
