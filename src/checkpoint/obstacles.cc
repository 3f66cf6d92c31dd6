#include "checkpoint/obstacles.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "checkpoint/waits.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string_view link;  // how /proc/PID/fd names it
  std::string_view what;
};

constexpr Kind kRefused[] = {
    {"anon_inode:inotify", "an inotify watch"},
    {"anon_inode:[io_uring]", "an io_uring"},
    {"anon_inode:[fanotify]", "a fanotify group"},
    {"anon_inode:[userfaultfd]", "a userfaultfd"},
    {"anon_inode:[perf_event]", "a performance counter"},
    {"anon_inode:bpf-map", "a bpf map"},
    {"anon_inode:bpf-prog", "a bpf program"},
    {"/dev/net/tun", "a tun device"},
    {"/dev/fuse", "a fuse channel"},
};

std::string NameOf(int pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name;
}

// A raw or packet socket, by inode, from the process' own view of its network namespace.
bool InTable(int pid, const char* table, const std::string& inode) {
  std::ifstream lines(fmt::format("/proc/{}/net/{}", pid, table));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word == inode) return true;
    }
  }
  return false;
}

std::optional<std::string_view> Refused(int pid, const std::string& link) {
  for (const auto& kind : kRefused) {
    if (link == kind.link) return kind.what;
  }
  if (!link.starts_with("socket:[")) return std::nullopt;
  const std::string inode = link.substr(8, link.size() - 9);
  if (InTable(pid, "raw", inode)) return "a raw socket";
  if (InTable(pid, "sctp/eps", inode)) return "an SCTP socket";
  return std::nullopt;
}

}  // namespace

std::vector<std::string> FindObstacles(const std::vector<int>& pids) {
  std::vector<std::string> obstacles;
  for (const auto& [inside, pid] : InsidePids(pids)) {
    std::error_code error;
    for (fs::directory_iterator it(fmt::format("/proc/{}/fd", pid), error), end;
         !error && it != end; it.increment(error)) {
      const std::string link = fs::read_symlink(it->path(), error).string();
      if (const auto what = Refused(pid, link)) {
        obstacles.push_back(
            fmt::format("descriptor {} of process {} ({}) is {} (close it before you wait)",
                        it->path().filename().string(), inside, NameOf(pid), *what));
      }
    }
  }
  return obstacles;
}

}  // namespace godwit::checkpoint
