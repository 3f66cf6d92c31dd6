#include "functions/running_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace godwit::functions {

void RunningLog::Open(const std::string& instance_directory) {
  if (auto fd = godwit::Open(instance_directory + "/log/output.log", O_RDWR | O_APPEND))
    fd_ = *std::move(fd);
}

uint64_t RunningLog::size() const {
  struct stat st = {};
  return fd_ && ::fstat(fd_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

std::string RunningLog::Tail(uint64_t from, size_t limit) const {
  const uint64_t end = size();
  from = std::max(std::min(from, end), end > limit ? end - limit : 0);
  if (from == end) return "";
  std::string text(end - from, '\0');
  const ssize_t n = ::pread(fd_.get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

bool RunningLog::Trim() const {
  if (size() <= kMaxBytes) return false;
  const std::string newest = Tail(0, kKeptBytes);
  if (::ftruncate(fd_.get(), 0) != 0) return false;
  static_cast<void>(WriteAll(fd_.get(), newest));
  return true;
}

void RunningLog::SetSize(uint64_t bytes) const {
  if (size() != bytes) static_cast<void>(::ftruncate(fd_.get(), static_cast<off_t>(bytes)));
}

}  // namespace godwit::functions
