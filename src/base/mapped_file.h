#pragma once

// A whole file that is read where it lies, without a copy.
//
// Only for files that nobody else changes: one that is cut short under it ends the process
// (SIGBUS). Threads: any, to read. Failure: by errno.
#include <sys/mman.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace godwit {

class MappedFile {
 public:
  MappedFile() = default;
  // The first `size` bytes of the file, which has as many.
  static Result<MappedFile> Of(const Fd& file, size_t size) {
    if (size == 0) return MappedFile();
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (data == MAP_FAILED) return FailErrno(errno, "cannot map {} bytes of a file", size);
    return MappedFile(data, size);
  }
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace godwit
