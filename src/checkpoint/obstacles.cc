#include "checkpoint/obstacles.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/core_image.h"
#include "checkpoint/inside.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string_view link;  // how /proc/PID/fd names it
  std::string_view what;
};

constexpr Kind kRefused[] = {
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

std::string Descriptor(const std::string& number, int inside, int pid) {
  return fmt::format("descriptor {} of process {} ({})", number, inside, NameOf(pid));
}

void ForDescriptors(int pid, const std::function<void(const fs::path&)>& each) {
  std::error_code error;
  for (fs::directory_iterator it(fmt::format("/proc/{}/fd", pid), error), end; !error && it != end;
       it.increment(error)) {
    each(it->path());
  }
}

// The words of `text` that are numbers, as they stand: CRIU prints inodes in base 16 or 10.
std::vector<std::string> NumbersIn(const std::string& text) {
  std::vector<std::string> numbers;
  std::string word;
  const auto end = [&] {
    if (word.starts_with("0x")) word.erase(0, 2);
    if (word.size() >= 3 &&
        std::ranges::all_of(word, [](unsigned char c) { return std::isxdigit(c); }))
      numbers.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else {
      end();
    }
  }
  end();
  return numbers;
}

// The first kind of System V object that exists in the IPC namespace of `pid`. /proc/sysvipc shows
// the namespace of who opens it, so this thread goes there and back.
Result<std::optional<std::string_view>> SystemVObject(int pid) {
  GODWIT_TRY(const Fd home, Open("/proc/thread-self/ns/ipc", O_RDONLY));
  GODWIT_TRY(const Fd there, Open(fmt::format("/proc/{}/ns/ipc", pid), O_RDONLY));
  if (::setns(there.get(), CLONE_NEWIPC) != 0)
    return FailErrno(errno, "cannot enter the IPC namespace of process {}", pid);
  std::optional<std::string_view> found;
  constexpr std::pair<const char*, std::string_view> kTables[] = {
      {"/proc/sysvipc/shm", "System V shared memory"},
      {"/proc/sysvipc/sem", "System V semaphores"},
      {"/proc/sysvipc/msg", "a System V message queue"}};
  for (const auto& [table, what] : kTables) {
    std::ifstream lines(table);
    std::string line;
    std::getline(lines, line);  // the heading
    if (std::getline(lines, line)) found = what;
  }
  // A thread that cannot go home must not serve anybody else.
  if (::setns(home.get(), CLONE_NEWIPC) != 0) std::abort();
  return found;
}

int ParentOf(int pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("PPid:")) return std::atoi(line.c_str() + sizeof "PPid:");
  }
  return 0;
}

std::unexpected<Error> HasOutlived(int inside, int pid) {
  return Fail(Code::kUnsupported,
              "process {} ({}) has outlived the one that started it (wait for it, or keep it "
              "below the function's own process)",
              inside, NameOf(pid));
}

Result<> CheckObjects(const std::vector<int>& pids) {
  if (pids.empty()) return {};
  GODWIT_TRY(const auto object, SystemVObject(pids.front()));
  if (!object) return {};
  return Fail(Code::kUnsupported,
              "it has {}, which is no process' own (remove it before you wait, or use a file in "
              "/tmp)",
              *object);
}

bool HoldsPosixLock(int pid, const std::string& number) {
  std::ifstream info(fmt::format("/proc/{}/fdinfo/{}", pid, number));
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("lock:") && line.contains("POSIX")) return true;
  }
  return false;
}

// Whether both are one open file.
bool SameFile(int pid, const fs::path& descriptor, int other, const fs::path& others) {
  std::error_code error;
  if (fs::read_symlink(descriptor, error) != fs::read_symlink(others, error)) return false;
  return ::syscall(SYS_kcmp, pid, other, KCMP_FILE, std::atol(descriptor.filename().c_str()),
                   std::atol(others.filename().c_str())) == 0;
}

// CRIU brings back, but without its lock, a file that a process has locked (fcntl(2)) and shares
// with the one it has it from.
std::optional<std::string> SharedLock(int inside, int pid, const std::map<int, int>& outside) {
  std::optional<std::string> found;
  ForDescriptors(pid, [&](const fs::path& descriptor) {
    const std::string number = descriptor.filename().string();
    if (found || !HoldsPosixLock(pid, number)) return;
    for (const auto& [other_inside, other] : outside) {
      if (other == pid) continue;
      ForDescriptors(other, [&](const fs::path& others) {
        if (found || !SameFile(pid, descriptor, other, others)) return;
        found = fmt::format("{} has a locked file that process {} has open, too (open it anew)",
                            Descriptor(number, inside, pid), other_inside);
      });
    }
  });
  return found;
}

}  // namespace

std::vector<std::string> FindObstacles(const std::vector<int>& pids) {
  std::vector<std::string> obstacles;
  for (const auto& [inside, pid] : InsidePids(pids)) {
    ForDescriptors(pid, [&](const fs::path& descriptor) {
      std::error_code error;
      if (const auto what = Refused(pid, fs::read_symlink(descriptor, error).string())) {
        obstacles.push_back(fmt::format("{} is {} (close it before you wait)",
                                        Descriptor(descriptor.filename(), inside, pid), *what));
      }
    });
  }
  return obstacles;
}

std::string DescriptorIn(const std::string& reason, const std::vector<int>& pids) {
  const std::vector<std::string> numbers = NumbersIn(reason);
  // "Can't dump file 5 of that type".
  const size_t file = reason.find(" file ");
  const std::string by_number =
      file == std::string::npos || !reason.contains("of that type")
          ? ""
          : reason.substr(file + 6, reason.find(' ', file + 6) - file - 6);
  for (const auto& [inside, pid] : InsidePids(pids)) {
    std::error_code error;
    for (fs::directory_iterator it(fmt::format("/proc/{}/fd", pid), error), end;
         !error && it != end; it.increment(error)) {
      const std::string number = it->path().filename().string();
      const std::string link = fs::read_symlink(it->path(), error).string();
      if (number == by_number) return Descriptor(number, inside, pid);
      if (!link.starts_with("socket:[") && !link.starts_with("pipe:[")) continue;
      const std::string inode = link.substr(link.find('[') + 1, link.size() - link.find('[') - 2);
      uint64_t value = 0;
      std::from_chars(inode.data(), inode.data() + inode.size(), value);
      if (std::ranges::find(numbers, inode) != numbers.end() ||
          std::ranges::find(numbers, fmt::format("{:x}", value)) != numbers.end())
        return Descriptor(number, inside, pid);
    }
  }
  return "";
}

Result<> CheckComplete(const std::string& images, const std::vector<int>& pids) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& [inside, pid] : InsidePids(pids)) {
    const auto number = static_cast<uint32_t>(inside);
    if (std::ranges::find(tree, number, &image::Pstree::pid) == tree.end())
      return HasOutlived(inside, pid);
  }
  return CheckObjects(pids);
}

Result<> CheckRunning(const std::vector<int>& pids) {
  if (const auto found = FindObstacles(pids); !found.empty())
    return Fail(Code::kUnsupported, "{}", found.front());
  const std::map<int, int> outside = InsidePids(pids);
  bool first = false;
  for (const auto& [inside, pid] : outside) {
    const int parent = ParentOf(pid);
    if (parent == 0) continue;
    if (std::ranges::find(pids, parent) == pids.end()) {
      // The function's own is the child of the sandbox's init, too, and nobody else.
      if (first) return HasOutlived(inside, pid);
      first = true;
    } else if (const auto lock = SharedLock(inside, pid, outside)) {
      return Fail(Code::kUnsupported, "{}", *lock);
    }
  }
  GODWIT_TRY(CheckObjects(pids));
  return CheckCalls(pids);
}

}  // namespace godwit::checkpoint
