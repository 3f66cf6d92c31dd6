#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include "base/try.h"

namespace godwit::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kControllers = {"memory", "cpu", "cpuacct", "pids",
                                                          "freezer"};
constexpr std::string_view kOptional = "freezer";
constexpr int kFreezeRounds = 500;  // looks, a fifth of a millisecond apart
constexpr int kRounds = 50;         // looks, a millisecond apart, at a group that is being left
// Of all functions together, in the weight of one ordinary process: as a group they would have no
// more than that, and whoever wakes among many others on a busy machine would wait for each.
constexpr int kWeight = 8;
constexpr int kCpuPeriod = 100'000;  // microseconds, the kernel's default

Result<> WriteFile(const std::string& path, std::string_view text) {
  GODWIT_TRY(const Fd fd, Open(path, O_WRONLY));
  return WriteAll(fd.get(), text).Within("cannot set '{}' to '{}'", path, text);
}

Result<std::string> ReadFile(const std::string& path) {
  GODWIT_TRY(const Fd fd, Open(path, O_RDONLY));
  return ReadAll(fd.get(), 1 << 20).Within("cannot read '{}'", path);
}

uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The number after `key` in lines of "key number".
uint64_t Field(const std::string& path, std::string_view key) {
  const auto text = ReadFile(path);
  if (!text) return 0;
  std::istringstream lines(*text);
  for (std::string word, value; lines >> word >> value;) {
    if (word == key) return NumberIn(value);
  }
  return 0;
}

uint64_t Number(const std::string& path) {
  const auto text = ReadFile(path);
  return text ? NumberIn(*text) : 0;
}

Result<> MakeGroup(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return FailErrno(errno, "cannot make the control group '{}'", path);
  }
  return {};
}

struct Hierarchy {
  std::string mount;
  std::string root;  // what of the hierarchy is mounted there
};

// mountinfo(5): fields 4 and 5 are root and mount point; after " - " come type, source and super
// options.
void ReadMounts(const std::string& mounts, std::map<std::string, Hierarchy>& v1,
                std::optional<Hierarchy>& v2) {
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash));
    std::istringstream after(line.substr(dash + 3));
    std::string skip, root, mount, type, source, options;
    before >> skip >> skip >> skip >> root >> mount;
    after >> type >> source >> options;
    if (type == "cgroup2" && !v2) v2 = Hierarchy{mount, root};
    if (type != "cgroup") continue;
    std::istringstream words(options);
    for (std::string word; std::getline(words, word, ',');)
      v1.try_emplace(word, Hierarchy{mount, root});
  }
}

// Our own group in the hierarchy that has `controller` (empty: the unified one), from lines
// "id:controllers:path".
std::string OwnGroup(const std::string& self, std::string_view controller) {
  std::istringstream lines(self);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::istringstream words(line.substr(first + 1, second - first - 1));
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controller.empty() && second == first + 1) return path;
    for (std::string word; std::getline(words, word, ',');) {
      if (word == controller) return path;
    }
  }
  return "";
}

// Where `group` lies on the file system: what the mount shows begins at `hierarchy.root`.
std::string PathOf(const Hierarchy& hierarchy, std::string group) {
  if (hierarchy.root != "/" && group.starts_with(hierarchy.root))
    group.erase(0, hierarchy.root.size());
  return hierarchy.mount + group;
}

// cgroup v2 gives controllers to children only of a group without processes of its own ("no
// internal processes").
Result<std::string> OpenUnified(const Hierarchy& hierarchy, const std::string& self,
                                const std::string& name) {
  const std::string own = PathOf(hierarchy, OwnGroup(self, ""));
  if (own != hierarchy.mount) {
    GODWIT_TRY(MakeGroup(own + "/node"));
    GODWIT_TRY(WriteFile(own + "/node/cgroup.procs", "0"));
  }
  GODWIT_TRY(WriteFile(own + "/cgroup.subtree_control", "+memory +cpu +pids"));
  const std::string root = own + "/" + name;
  GODWIT_TRY(MakeGroup(root));
  GODWIT_TRY(WriteFile(root + "/cgroup.subtree_control", "+memory +cpu +pids"));
  return root;
}

}  // namespace

Cgroup::Cgroup(bool unified, std::vector<std::string> directories)
    : unified_(unified), directories_(std::move(directories)) {}

const std::string& Cgroup::Directory(std::string_view controller) const {
  if (unified_) return directories_.front();
  return directories_[static_cast<size_t>(std::ranges::find(kControllers, controller) -
                                          kControllers.begin())];
}

Result<std::vector<Fd>> Cgroup::OpenProcs() const {
  std::vector<Fd> fds;
  std::vector<std::string> seen;  // cpu and cpuacct are often one directory
  for (const auto& directory : directories_) {
    std::error_code error;
    const std::string real = fs::canonical(directory, error);
    if (std::ranges::find(seen, real) != seen.end()) continue;
    seen.push_back(real);
    GODWIT_TRY(auto fd, Open(directory + "/cgroup.procs", O_WRONLY));
    fds.push_back(std::move(fd));
  }
  return fds;
}

Result<> Cgroup::Add(int pid) const {
  GODWIT_TRY(const std::vector<Fd> groups, OpenProcs());
  const std::string text = std::to_string(pid);
  for (const Fd& group : groups) {
    GODWIT_TRY(WriteAll(group.get(), text).Within("cannot move process {} to its group", pid));
  }
  return {};
}

Result<> Cgroup::Apply(const CgroupLimits& limits) const {
  GODWIT_TRY(SetMemoryLimit(limits.memory_bytes));
  const auto quota = static_cast<int>(limits.cpus * kCpuPeriod);
  if (unified_) {
    GODWIT_TRY(WriteFile(Directory("cpu") + "/cpu.max", fmt::format("{} {}", quota, kCpuPeriod)));
  } else {
    GODWIT_TRY(WriteFile(Directory("cpu") + "/cpu.cfs_quota_us", fmt::format("{}", quota)));
  }
  return SetPidsLimit(limits.pids);
}

Result<> Cgroup::SetPidsLimit(uint64_t pids) const {
  return WriteFile(Directory("pids") + "/pids.max", fmt::format("{}", pids));
}

Result<> Cgroup::SetMemoryLimit(uint64_t bytes) const {
  const std::string path =
      Directory("memory") + (unified_ ? "/memory.max" : "/memory.limit_in_bytes");
  GODWIT_TRY(WriteFile(path, fmt::format("{}", bytes)));
  if (const uint64_t kept = Number(path); kept / 65536 != bytes / 65536) {
    return Fail(Code::kInternal, "'{}' holds {} instead of {} bytes", path, kept, bytes);
  }
  return {};
}

Result<> Cgroup::Freeze() const {
  if (!unified_ && directories_.size() < kControllers.size()) {
    return Fail(Code::kUnsupported,
                "this machine's control groups have no freezer (mount it, or boot with cgroup v2)");
  }
  const std::string& place = Directory("freezer");
  return unified_ ? WriteFile(place + "/cgroup.freeze", "1")
                  : WriteFile(place + "/freezer.state", "FROZEN");
}

Result<> Cgroup::AwaitFrozen() const {
  const std::string& place = Directory("freezer");
  for (int round = 0; round < kFreezeRounds; ++round) {
    if (round > 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (unified_) {
      if (Field(place + "/cgroup.events", "frozen") == 1) return {};
    } else {
      GODWIT_TRY(const std::string state, ReadFile(place + "/freezer.state"));
      if (state.starts_with("FROZEN")) return {};
    }
  }
  GODWIT_TRY(Thaw());
  return Fail(Code::kTimeout, "the control group '{}' cannot be frozen", place);
}

Result<> Cgroup::Thaw() const {
  if (unified_) return WriteFile(Directory("freezer") + "/cgroup.freeze", "0");
  if (directories_.size() < kControllers.size()) return {};
  return WriteFile(Directory("freezer") + "/freezer.state", "THAWED");
}

Result<Fd> Cgroup::OpenThaw() const {
  if (unified_ || directories_.size() < kControllers.size()) return Fd();
  return Open(Directory("freezer") + "/freezer.state", O_WRONLY);
}

uint64_t Cgroup::MemoryBytes() const {
  return Number(Directory("memory") + (unified_ ? "/memory.current" : "/memory.usage_in_bytes"));
}

uint64_t Cgroup::MemoryPeakBytes() const {
  return Number(Directory("memory") + (unified_ ? "/memory.peak" : "/memory.max_usage_in_bytes"));
}

uint64_t Cgroup::CpuNanos() const {
  if (unified_) return Field(Directory("cpu") + "/cpu.stat", "usage_usec") * 1000;
  return Number(Directory("cpuacct") + "/cpuacct.usage");
}

uint64_t Cgroup::OomKills() const {
  return Field(Directory("memory") + (unified_ ? "/memory.events" : "/memory.oom_control"),
               "oom_kill");
}

std::vector<int> Cgroup::Pids() const {
  std::vector<int> pids;
  if (const auto text = ReadFile(Directory("pids") + "/cgroup.procs")) {
    std::istringstream words(*text);
    for (int pid = 0; words >> pid;) pids.push_back(pid);
  }
  return pids;
}

Result<> Cgroup::Renew() const {
  const std::string& memory = Directory("memory");
  static_cast<void>(unified_ ? WriteFile(memory + "/memory.reclaim", "1G")
                             : WriteFile(memory + "/memory.force_empty", "0"));
  // The last of its processes may still be on their way out.
  int error = EBUSY;
  for (int round = 0; round < kRounds && error == EBUSY; ++round) {
    if (round > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    error = ::rmdir(memory.c_str()) == 0 ? 0 : errno;
  }
  if (error != 0) return FailErrno(error, "cannot remove the control group '{}'", memory);
  return MakeGroup(memory);
}

Result<> Cgroup::Remove() const {
  using std::chrono::milliseconds;
  int error = 0;
  static_cast<void>(Thaw());  // what is frozen does not die
  for (int round = 0; round < 200; ++round) {
    for (const int pid : Pids()) ::kill(pid, SIGKILL);
    error = 0;
    for (const auto& directory : directories_) {
      if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) error = errno;
    }
    if (error == 0) return {};
    std::this_thread::sleep_for(milliseconds(round < 20 ? 1 : 5));
  }
  return FailErrno(error, "cannot remove the control group '{}'", directories_.front());
}

Result<CgroupTree> CgroupTree::Open(const std::string& name, const std::string& mounts,
                                    const std::string& self) {
  std::map<std::string, Hierarchy> v1;
  std::optional<Hierarchy> v2;
  ReadMounts(mounts, v1, v2);
  if (v1.contains("memory")) {
    std::vector<std::string> roots;
    for (const auto controller : kControllers) {
      const auto found = v1.find(std::string(controller));
      if (found == v1.end() && controller == kOptional) continue;
      if (found == v1.end()) {
        return Fail(Code::kUnsupported,
                    "this machine's control groups have no '{}' (mount it, or boot with cgroup v2)",
                    controller);
      }
      roots.push_back(PathOf(found->second, OwnGroup(self, controller)) + "/" + name);
      GODWIT_TRY(MakeGroup(roots.back()));
    }
    // Without it they get their turn all the same.
    static_cast<void>(WriteFile(roots[1] + "/cpu.shares", fmt::format("{}", 1024 * kWeight)));
    return CgroupTree(false, std::move(roots));
  }
  if (v2) {
    GODWIT_TRY(std::string root, OpenUnified(*v2, self, name));
    static_cast<void>(WriteFile(root + "/cpu.weight", fmt::format("{}", 100 * kWeight)));
    return CgroupTree(true, {std::move(root)});
  }
  return Fail(Code::kUnsupported,
              "this machine has no control groups (mount cgroup2 on /sys/fs/cgroup)");
}

Cgroup CgroupTree::At(const std::string& instance) const {
  std::vector<std::string> directories;
  for (const auto& root : roots_) directories.push_back(root + "/" + instance);
  return Cgroup(unified_, std::move(directories));
}

Result<Cgroup> CgroupTree::Make(const std::string& instance) const {
  for (const auto& root : roots_) GODWIT_TRY(MakeGroup(root + "/" + instance));
  return At(instance);
}

std::vector<std::string> CgroupTree::List() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& root : roots_) {
    for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
      if (it->is_directory(error)) names.push_back(it->path().filename());
    }
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

void CgroupTree::Close() const {
  for (const auto& root : roots_) ::rmdir(root.c_str());
}

Result<Cgroup> CgroupOf(int pid) {
  GODWIT_TRY(const std::string mounts, ReadFile("/proc/self/mountinfo"));
  GODWIT_TRY(const std::string process, ReadFile(fmt::format("/proc/{}/cgroup", pid)));
  std::map<std::string, Hierarchy> v1;
  std::optional<Hierarchy> v2;
  ReadMounts(mounts, v1, v2);
  std::vector<std::string> directories;
  for (const auto controller : kControllers) {
    const auto found = v1.find(std::string(controller));
    if (found == v1.end()) break;
    directories.push_back(PathOf(found->second, OwnGroup(process, controller)));
  }
  if (directories.size() == kControllers.size()) return Cgroup(false, std::move(directories));
  if (!v2) return Fail(Code::kUnsupported, "there are no control groups to look at");
  return Cgroup(true, {PathOf(*v2, OwnGroup(process, ""))});
}

}  // namespace godwit::sandbox
