#include "checkpoint/inside.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <fstream>

#include "base/fd.h"

namespace godwit::checkpoint {

int InsidePid(const std::string& directory) {
  std::ifstream status(directory + "/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("NSpid:")) continue;
    const size_t last = line.find_last_of('\t') + 1;
    int pid = 0;
    std::from_chars(line.data() + last, line.data() + line.size(), pid);
    return pid;
  }
  return 0;
}

std::map<int, int> InsidePids(const std::vector<int>& pids) {
  std::map<int, int> outside;
  for (const int pid : pids) {
    if (const int inside = InsidePid(fmt::format("/proc/{}", pid)); inside != 0)
      outside[inside] = pid;
  }
  return outside;
}

std::optional<std::string> PeekProcess(int outside, uint64_t address, size_t size) {
  const Result<Fd> memory = Open(fmt::format("/proc/{}/mem", outside), O_RDONLY);
  if (!memory) return std::nullopt;
  std::string bytes(size, '\0');
  if (::pread(memory->get(), bytes.data(), size, static_cast<off_t>(address)) !=
      static_cast<ssize_t>(size)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace godwit::checkpoint
