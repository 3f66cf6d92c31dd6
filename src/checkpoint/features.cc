#include "checkpoint/features.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>

#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr const char* kOwnCriu = "/usr/local/lib/godwit/criu/criu";

struct Ran {
  int status = 0;
  std::string output;
};

// Runs a program in a mount namespace with a fresh tmpfs on /run. `after` runs in there when the
// program has ended well.
Result<Ran> RunApart(const std::vector<std::string>& command, const std::string& copy_from,
                     int copy_to) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "cannot make a pipe");
  const Fd read(ends[0]);
  Fd write(ends[1]);
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return FailErrno(errno, "cannot run '{}'", command.front());
  if (child == 0) {
    // This copy of the node lives as long as the program: it may not hold the node's sockets and
    // locks open.
    const int output = ::fcntl(write.get(), F_DUPFD, 1000);
    const int copy = copy_to >= 0 ? ::fcntl(copy_to, F_DUPFD, 1000) : -1;
    ::dup2(output, 3);
    if (copy >= 0) ::dup2(copy, 4);
    ::close_range(copy >= 0 ? 5U : 4U, ~0U, 0);
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, "size=4m") != 0) {
      ::_exit(126);
    }
    const pid_t program = ::fork();
    if (program == 0) {
      ::dup2(3, 1);
      ::dup2(3, 2);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(program, &status, 0);
    if (copy >= 0) {
      const int from = ::open(copy_from.c_str(), O_RDONLY);
      char buffer[4096];
      for (ssize_t n = 0; from >= 0 && (n = ::read(from, buffer, sizeof buffer)) > 0;) {
        if (::write(4, buffer, static_cast<size_t>(n)) != n) ::_exit(125);
      }
    }
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 124);
  }
  write.Close();
  Ran ran;
  if (auto output = ReadAll(read.get(), 1 << 20)) ran.output = *std::move(output);
  int status = 0;
  ::waitpid(child, &status, 0);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

std::string FirstLine(const std::string& text, std::string_view with) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.contains(with)) return line;
  }
  return text.substr(0, text.find('\n'));
}

// kUnsupported if it is another program.
Result<std::string> VersionOf(const std::string& criu) {
  GODWIT_TRY(const Ran ran, RunApart({criu, "--version"}, "", -1));
  std::string line = FirstLine(ran.output, "Version: ");
  if (ran.status == 0 && line.starts_with("Version: ")) return line;
  return Fail(Code::kUnsupported,
              "'{}' is not CRIU: its --version says '{}' (correct `criu` in the configuration, or "
              "leave it out)",
              criu, line.substr(0, 80));
}

struct Wanted {
  const char* name;
  const char* asked;  // `criu check --feature`
  const char* cost;
};

constexpr Wanted kWanted[] = {
    {"restore with chosen pids", "clone3_set_tid", "restores race for pids (needs Linux 5.5)"},
    {"time namespaces", "timens",
     "clocks jump after a reboot (needs Linux 5.6 and CONFIG_TIME_NS)"},
    {"overlay maps", "overlayfs_maps", "mapped files on overlays may be refused"},
    {"pagemap scan", "pagemap_scan", "dumps read the page map page by page (needs Linux 6.7)"},
    {"userfaultfd", "uffd", "no lazy restore (needs CONFIG_USERFAULTFD)"},
    {"soft-dirty tracking", "mem_dirty_track",
     "no incremental dumps by CRIU (needs CONFIG_MEM_SOFT_DIRTY)"},
};

bool Exists(const char* path) { return ::access(path, F_OK) == 0; }

Feature Namespace(const char* name, const char* path) {
  return {name, Exists(path), Exists(path) ? path : "not in this kernel",
          "sandboxes cannot be built"};
}

}  // namespace

Result<std::string> FindCriu(const std::string& wished) {
  if (!wished.empty()) {
    if (::access(wished.c_str(), X_OK) == 0) return wished;
    return Fail(Code::kNotFound,
                "there is no CRIU at '{}' (correct `criu` in the configuration, or leave it out)",
                wished);
  }
  for (const char* path : {kOwnCriu, "/usr/sbin/criu", "/usr/bin/criu", "/usr/local/sbin/criu"}) {
    if (::access(path, X_OK) == 0) return std::string(path);
  }
  return Fail(Code::kNotFound,
              "CRIU is not installed (run scripts/setup, or install CRIU 4.1 or later and name it "
              "with --criu)");
}

std::string CriuVersion(const std::string& criu) {
  const auto line = VersionOf(criu);
  return line ? line->substr(std::string_view("Version: ").size()) : "";
}

std::vector<Feature> ProbeFeatures(const std::string& criu) {
  std::vector<Feature> features;
  utsname system = {};
  ::uname(&system);
  features.push_back({"kernel", true, fmt::format("{} {}", system.sysname, system.release), ""});
  features.push_back({"root", ::geteuid() == 0,
                      ::geteuid() == 0 ? "uid 0" : fmt::format("uid {}", ::geteuid()),
                      "no sandbox, no checkpoint (run as root)"});
  features.push_back(Namespace("process namespaces", "/proc/self/ns/pid"));
  features.push_back(Namespace("network namespaces", "/proc/self/ns/net"));
  features.push_back({"seccomp", Exists("/proc/sys/kernel/seccomp"),
                      Exists("/proc/sys/kernel/seccomp") ? "filter" : "missing",
                      "functions would run unfiltered; the node refuses to start them"});
  const bool v1 = Exists("/sys/fs/cgroup/memory");
  const bool v2 = Exists("/sys/fs/cgroup/cgroup.controllers");
  features.push_back({"control groups", v1 || v2,
                      v1   ? "version 1"
                      : v2 ? "version 2"
                           : "not mounted",
                      "no limits: the node refuses to start"});
  const Result<std::string> found = FindCriu(criu);
  if (!found) {
    features.push_back({"CRIU", false, found.error().ToString(),
                        "nothing is put away: blocked functions keep their memory"});
    return features;
  }
  if (::geteuid() != 0) {
    features.push_back({"CRIU", false, fmt::format("at {}, not asked", *found),
                        "nothing is known of it (run as root to ask)"});
    return features;
  }
  const auto version = VersionOf(*found);
  if (!version) {
    features.push_back({"CRIU", false, version.error().ToString(),
                        "nothing is put away: blocked functions keep their memory"});
    return features;
  }
  const auto check = RunApart({*found, "check"}, "", -1);
  const bool good = check && check->status == 0;
  features.push_back({"CRIU", good,
                      fmt::format("{} at {}", *version, *found) +
                          (good || !check ? "" : ": " + FirstLine(check->output, "Error")),
                      "nothing is put away: blocked functions keep their memory"});
  for (const auto& wanted : kWanted) {
    const auto asked = RunApart({*found, "check", "--feature", wanted.asked}, "", -1);
    const bool present = asked && asked->status == 0;
    features.push_back({wanted.name, present, wanted.asked, wanted.cost});
  }
  return features;
}

Result<> KeepKernelFacts(const std::string& criu, const std::string& path) {
  GODWIT_TRY(VersionOf(criu));
  GODWIT_TRY(const Fd keep, Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  GODWIT_TRY(const Ran ran, RunApart({criu, "check"}, "/run/criu.kdat", keep.get()));
  if (ran.status != 0) {
    return Fail(Code::kUnsupported, "'{} check' fails: {} (run `godwit doctor`)", criu,
                FirstLine(ran.output, "Error"));
  }
  return {};
}

}  // namespace godwit::checkpoint
