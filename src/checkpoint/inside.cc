#include "checkpoint/inside.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>

#include "base/fd.h"
#include "base/try.h"

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

bool HasSignal(int pid, int tid) {
  std::ifstream status(fmt::format("/proc/{}/task/{}/status", pid, tid));
  uint64_t pending = 0;
  uint64_t blocked = 0;
  uint64_t ignored = 0;
  for (std::string line; std::getline(status, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(0, colon);
    uint64_t value = 0;
    const size_t at = line.find_first_not_of(" \t", colon + 1);
    if (at == std::string::npos) continue;
    std::from_chars(line.data() + at, line.data() + line.size(), value, 16);
    if (name == "SigPnd" || name == "ShdPnd") pending |= value;
    if (name == "SigBlk") blocked = value;
    if (name == "SigIgn") ignored = value;
  }
  return (pending & ~blocked & ~ignored) != 0;
}

std::optional<std::string> PeekProcess(int outside, uint64_t address, size_t size) {
  std::string bytes(size, '\0');
  const iovec here = {bytes.data(), size};
  const iovec there = {reinterpret_cast<void*>(address), size};
  const auto all = static_cast<ssize_t>(size);
  if (::process_vm_readv(outside, &here, 1, &there, 1, 0) == all) return bytes;
  const Result<Fd> memory = Open(fmt::format("/proc/{}/mem", outside), O_RDONLY);
  if (!memory || ::pread(memory->get(), bytes.data(), size, static_cast<off_t>(address)) != all)
    return std::nullopt;
  return bytes;
}

Result<> PokeProcess(int outside, uint64_t address, std::span<const char> bytes) {
  const iovec here = {const_cast<char*>(bytes.data()), bytes.size()};
  const iovec there = {reinterpret_cast<void*>(address), bytes.size()};
  const auto all = static_cast<ssize_t>(bytes.size());
  if (::process_vm_writev(outside, &here, 1, &there, 1, 0) == all) return {};
  GODWIT_TRY(const Fd memory, Open(fmt::format("/proc/{}/mem", outside), O_WRONLY));
  if (::pwrite(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(address)) != all)
    return FailErrno(errno, "cannot write to the memory of process {}", outside);
  return {};
}

}  // namespace godwit::checkpoint
