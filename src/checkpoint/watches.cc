#include "checkpoint/watches.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "base/fd.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

std::optional<uint64_t> Hex(std::string_view word, std::string_view key) {
  if (!word.starts_with(key)) return std::nullopt;
  word.remove_prefix(key.size());
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Where that file system is mounted, in the process' view.
std::vector<std::string> MountPoints(int pid, uint64_t device) {
  const std::string wanted = fmt::format("{}:{}", device >> 20, device & 0xfffff);
  std::vector<std::string> points;
  std::istringstream lines(ReadAll(fmt::format("/proc/{}/mountinfo", pid)));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, number, root, point;
    if (words >> id >> parent >> number >> root >> point && number == wanted)
      points.push_back(point);
  }
  return points;
}

// Nothing but directories is entered, and no other file system.
std::string Find(const std::string& root, const std::string& point, uint64_t inode, int& looks) {
  struct stat top = {};
  const std::string first = root + (point == "/" ? "" : point);
  if (::lstat((first + "/").c_str(), &top) != 0) return "";
  if (top.st_ino == inode) return point;
  // What is near the top first.
  std::deque<std::string> ahead = {first};
  while (!ahead.empty()) {
    const std::string directory = std::move(ahead.front());
    ahead.pop_front();
    std::error_code error;
    // The function may run: what was a directory a moment ago may lead elsewhere by now.
    const Result<Fd> opened = Open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    struct stat now = {};
    if (!opened || ::fstat(opened->get(), &now) != 0 || now.st_dev != top.st_dev) continue;
    const std::string through = fmt::format("/proc/self/fd/{}", opened->get());
    for (fs::directory_iterator it(through, error), end; !error && it != end; it.increment(error)) {
      if (--looks < 0) return "";
      struct stat about = {};
      if (::lstat(it->path().c_str(), &about) != 0) continue;
      const std::string path = (fs::path(directory) / it->path().filename()).string();
      const bool mounted = S_ISDIR(about.st_mode) && about.st_dev != top.st_dev;
      if (mounted) continue;
      if (about.st_ino == inode) return path.substr(root.size());
      if (S_ISDIR(about.st_mode)) ahead.push_back(path);
    }
  }
  return "";
}

}  // namespace

std::vector<Watch> ReadWatches(std::string_view fdinfo) {
  std::vector<Watch> watches;
  std::istringstream lines{std::string(fdinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "inotify") continue;
    Watch watch;
    bool has_inode = false;
    while (words >> word) {
      if (const auto inode = Hex(word, "ino:")) {
        watch.inode = *inode;
        has_inode = true;
      }
      if (const auto device = Hex(word, "sdev:")) watch.device = *device;
    }
    if (has_inode) watches.push_back(std::move(watch));
  }
  return watches;
}

std::vector<Watch> WatchesOf(int pid, const std::string& number) {
  auto watches = ReadWatches(ReadAll(fmt::format("/proc/{}/fdinfo/{}", pid, number)));
  const std::string root = fmt::format("/proc/{}/root", pid);
  int looks = kMostLooks;
  for (Watch& watch : watches) {
    for (const std::string& point : MountPoints(pid, watch.device)) {
      watch.path = Find(root, point, watch.inode, looks);
      if (!watch.path.empty()) break;
    }
    if (watch.path.empty()) {
      watch.path = fmt::format("inode {} of device {}:{}", watch.inode, watch.device >> 20,
                               watch.device & 0xfffff);
    }
  }
  return watches;
}

}  // namespace godwit::checkpoint
