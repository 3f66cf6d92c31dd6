#include "checkpoint/obstacles.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/kcmp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
#include "checkpoint/watches.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string_view link;  // how /proc/PID/fd names it
  std::string_view kind;  // of Obstacle
  std::string_view what;
  std::string_view fix = "close it before you wait";
};

constexpr Kind kRefused[] = {
    {"anon_inode:[io_uring]", "io_uring", "an io_uring",
     "set UV_USE_IO_URING=0 for Node.js, have another library use epoll, or close it before you "
     "wait"},
    {"anon_inode:[fanotify]", "fanotify", "a fanotify group"},
    {"anon_inode:[userfaultfd]", "userfaultfd", "a userfaultfd"},
    {"anon_inode:[perf_event]", "perf_event", "a performance counter"},
    {"anon_inode:bpf-map", "bpf", "a bpf map"},
    {"anon_inode:bpf-prog", "bpf", "a bpf program"},
    {"/dev/net/tun", "tun", "a tun device"},
    {"/dev/fuse", "fuse", "a fuse channel"},
};

constexpr Kind kRawSocket = {"", "raw_socket", "a raw socket"};
constexpr Kind kSctpSocket = {"", "sctp", "an SCTP socket"};
constexpr Kind kMptcpSocket = {
    "", "mptcp", "an MPTCP socket",
    "set GODEBUG=multipathtcp=0 for Go, or open a plain TCP socket, without IPPROTO_MPTCP"};

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

// What socket(2) was asked for; -1 if it cannot be had.
int ProtocolOf(const Fd& socket) {
  int protocol = -1;
  socklen_t size = sizeof protocol;
  if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
    return -1;
  return protocol;
}

const Kind* Refused(int pid, const std::string& number, const std::string& link) {
  for (const auto& kind : kRefused) {
    if (link == kind.link) return &kind;
  }
  if (!link.starts_with("socket:[")) return nullptr;
  const std::string inode = link.substr(8, link.size() - 9);
  if (InTable(pid, "raw", inode)) return &kRawSocket;
  if (InTable(pid, "sctp/eps", inode)) return &kSctpSocket;
  if (ProtocolOf(CopyDescriptor(pid, std::atoi(number.c_str()))) == IPPROTO_MPTCP)
    return &kMptcpSocket;
  return nullptr;
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

std::string HasOutlived(int inside, int pid) {
  return fmt::format(
      "process {} ({}) has outlived the one that started it (wait for it, or keep it below the "
      "function's own process)",
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

// Found by looking, but not at descriptors: processes and what they share.
std::vector<std::string> AmongProcesses(const std::vector<int>& pids) {
  std::vector<std::string> found;
  const std::map<int, int> outside = InsidePids(pids);
  bool first = false;
  for (const auto& [inside, pid] : outside) {
    const int parent = ParentOf(pid);
    if (parent == 0) continue;
    if (std::ranges::find(pids, parent) == pids.end()) {
      // The function's own is the child of the sandbox's init, too, and nobody else.
      if (first) found.push_back(HasOutlived(inside, pid));
      first = true;
    } else if (auto lock = SharedLock(inside, pid, outside)) {
      found.push_back(*std::move(lock));
    }
  }
  return found;
}

struct Place {
  int inside = 0, pid = 0;
  std::string number, link;
  std::string Text() const { return Descriptor(number, inside, pid); }
};

// Whose descriptor CRIU's `reason` speaks of.
std::optional<Place> PlaceIn(const std::string& reason, const std::vector<int>& pids) {
  const std::vector<std::string> numbers = NumbersIn(reason);
  // "Can't dump file 5 of that type".
  const size_t file = reason.find(" file ");
  const std::string by_number =
      file == std::string::npos || !reason.contains("of that type")
          ? ""
          : reason.substr(file + 6, reason.find(' ', file + 6) - file - 6);
  std::optional<Place> found;
  for (const auto& [inside, pid] : InsidePids(pids)) {
    ForDescriptors(pid, [&](const fs::path& descriptor) {
      if (found) return;
      std::error_code error;
      Place place{inside, pid, descriptor.filename(), fs::read_symlink(descriptor, error)};
      const std::string& link = place.link;
      bool is = place.number == by_number;
      if (link.starts_with("socket:[") || link.starts_with("pipe:[")) {
        const std::string inode = link.substr(link.find('[') + 1, link.size() - link.find('[') - 2);
        uint64_t value = 0;
        std::from_chars(inode.data(), inode.data() + inode.size(), value);
        is |= std::ranges::find(numbers, inode) != numbers.end() ||
              std::ranges::find(numbers, fmt::format("{:x}", value)) != numbers.end();
      }
      if (is) found = std::move(place);
    });
  }
  return found;
}

// Of a socket that is connected: " to 10.0.0.1:80", " to /run/bus"; else empty.
std::string Peer(const Place& place) {
  const Fd socket = CopyDescriptor(place.pid, std::atoi(place.number.c_str()));
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (!socket || ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return "";
  if (address.ss_family == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&address);
    const size_t length =
        size > offsetof(sockaddr_un, sun_path) ? size - offsetof(sockaddr_un, sun_path) : 0;
    std::string name(local->sun_path, length);
    if (name.starts_with('\0')) name[0] = '@';
    return name.empty() ? " to a nameless peer" : " to " + std::string(name.c_str());
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool six = address.ss_family == AF_INET6;
  const void* raw =
      six ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr)
          : &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr;
  if (::inet_ntop(address.ss_family, raw, text.data(), text.size()) == nullptr) return "";
  const uint16_t port = ntohs(six ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                  : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  return six ? fmt::format(" to [{}]:{}", text.data(), port)
             : fmt::format(" to {}:{}", text.data(), port);
}

// Those of which CRIU's `reason` may speak: by what they watch, else all.
std::vector<Obstacle> Watches(const Obstacle& about, const std::string& reason,
                              const std::vector<int>& pids) {
  std::vector<Obstacle> named, all;
  for (const auto& [inside, pid] : InsidePids(pids)) {
    ForDescriptors(pid, [&](const fs::path& descriptor) {
      std::error_code error;
      if (fs::read_symlink(descriptor, error) != "anon_inode:inotify") return;
      const std::string number = descriptor.filename();
      for (const Watch& watch : WatchesOf(pid, number)) {
        Obstacle one = about;
        one.what = fmt::format("{} has an inotify watch on {}: {}", Descriptor(number, inside, pid),
                               watch.path, about.what);
        all.push_back(one);
        const bool is = reason.contains(fmt::format("ino {:#x}", watch.inode)) ||
                        reason.contains(fmt::format("i_ino {:#x}", watch.inode));
        if (is) named.push_back(std::move(one));
      }
    });
  }
  return named.empty() ? all : named;
}

}  // namespace

std::vector<Obstacle> FindObstacles(const std::vector<int>& pids) {
  std::vector<Obstacle> obstacles;
  for (const auto& [inside, pid] : InsidePids(pids)) {
    ForDescriptors(pid, [&](const fs::path& descriptor) {
      std::error_code error;
      const std::string number = descriptor.filename();
      const auto* kind = Refused(pid, number, fs::read_symlink(descriptor, error).string());
      if (kind == nullptr) return;
      obstacles.push_back({std::string(kind->kind),
                           fmt::format("{} is {}", Descriptor(number, inside, pid), kind->what),
                           std::string(kind->fix)});
    });
  }
  return obstacles;
}

std::vector<Obstacle> WhyRefused(const std::string& reason, const std::vector<int>& pids) {
  std::vector<Obstacle> beside = FindObstacles(pids);
  for (const std::string& text : AmongProcesses(pids)) beside.push_back(ObstacleOf(text));
  for (const Result<>& checked : {CheckObjects(pids), CheckCalls(pids)}) {
    if (!checked) beside.push_back(ObstacleOf(checked.error().reason()));
  }
  const auto known = std::ranges::find(beside, reason, &Obstacle::Text);
  if (known != beside.end()) {
    std::rotate(beside.begin(), known, known + 1);
    return beside;
  }
  Obstacle first = ObstacleOf(reason);
  std::vector<Obstacle> all;
  if (first.kind == "inotify") all = Watches(first, reason, pids);
  if (const auto place = PlaceIn(reason, pids); all.empty() && place) {
    first.what = fmt::format("{}{}: {}", place->Text(), Peer(*place), first.what);
  }
  if (all.empty()) all.push_back(std::move(first));
  all.insert(all.end(), beside.begin(), beside.end());
  return all;
}

Result<> CheckComplete(const std::string& images, const std::vector<int>& pids) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& [inside, pid] : InsidePids(pids)) {
    const auto number = static_cast<uint32_t>(inside);
    if (std::ranges::find(tree, number, &image::Pstree::pid) == tree.end())
      return Fail(Code::kUnsupported, "{}", HasOutlived(inside, pid));
  }
  return CheckObjects(pids);
}

Result<> CheckRunning(const std::vector<int>& pids) {
  if (const auto found = FindObstacles(pids); !found.empty())
    return Fail(Code::kUnsupported, "{}", found.front().Text());
  if (const auto found = AmongProcesses(pids); !found.empty())
    return Fail(Code::kUnsupported, "{}", found.front());
  GODWIT_TRY(CheckObjects(pids));
  return CheckCalls(pids);
}

}  // namespace godwit::checkpoint
