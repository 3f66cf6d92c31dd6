#include "sandbox/rootfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/try.h"
#include "sandbox/init/protocol.h"

namespace godwit::sandbox {
namespace {

namespace fs = std::filesystem;

// Copied from the host when the node starts; small, public files.
constexpr std::array<std::string_view, 8> kFromHost = {"ld.so.cache", "localtime",   "mime.types",
                                                       "protocols",   "resolv.conf", "services",
                                                       "timezone",    "os-release"};

// Of /proc: nothing a function needs.
constexpr std::array<std::string_view, 13> kMasked = {
    "acpi",       "asound",        "cmdline", "interrupts",  "kcore",      "key-users",  "keys",
    "kpagecount", "latency_stats", "scsi",    "sched_debug", "timer_list", "timer_stats"};
constexpr std::array<std::string_view, 5> kReadOnly = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

Result<> Directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return FailErrno(errno, "cannot make '{}'", path);
  if (::chmod(path.c_str(), mode) != 0)
    return FailErrno(errno, "cannot set the mode of '{}'", path);
  return {};
}

Result<> File(const std::string& path, std::string_view text) {
  GODWIT_TRY(const Fd fd, Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  GODWIT_TRY(WriteAll(fd.get(), text).Within("cannot write '{}'", path));
  if (::fchmod(fd.get(), 0644) != 0) return FailErrno(errno, "cannot set the mode of '{}'", path);
  return {};
}

Result<> BuildEtc(const std::string& etc) {
  GODWIT_TRY(Directory(etc, 0755));
  GODWIT_TRY(File(
      etc + "/passwd",
      "root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"));
  GODWIT_TRY(File(etc + "/group", "root:x:0:\nnogroup:x:65534:\n"));
  GODWIT_TRY(File(etc + "/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"));
  GODWIT_TRY(File(etc + "/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"));
  for (const auto name : kFromHost) {
    const Result<Fd> from = Open("/etc/" + std::string(name), O_RDONLY);
    if (!from) continue;  // a host without it has functions without it
    GODWIT_TRY(const std::string text,
               ReadAll(from->get(), 4 << 20).Within("cannot read '/etc/{}'", name));
    GODWIT_TRY(File(etc + "/" + std::string(name), text));
  }
  std::error_code error;
  GODWIT_TRY(Directory(etc + "/ssl", 0755));
  fs::copy("/etc/ssl/certs", etc + "/ssl/certs",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  fs::copy("/etc/alternatives", etc + "/alternatives",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  return {};
}

}  // namespace

Result<> BuildBase(const std::string& base) {
  std::error_code error;
  fs::remove_all(base, error);
  GODWIT_TRY(Directory(base, 0755));
  for (const auto* name : {"dev", "opt", "proc", "run", "tmp", "usr", "var", "var/log", "var/task",
                           "var/runtime", "home"}) {
    GODWIT_TRY(Directory(base + "/" + name, 0755));
  }
  for (const std::string name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    if (!fs::exists("/usr/" + name, error)) continue;
    if (!fs::is_symlink("/" + name, error)) {
      return Fail(Code::kUnsupported,
                  "'/{}' is not a link into /usr (Godwit needs a merged /usr, as Debian 12 has)",
                  name);
    }
    if (::symlink(("usr/" + name).c_str(), (base + "/" + name).c_str()) != 0) {
      return FailErrno(errno, "cannot link '{}/{}'", base, name);
    }
  }
  // Where Node.js looks from /var/task for the modules that its runtime brings along, also on
  // behalf of `import`, which does not know NODE_PATH.
  if (::symlink("runtime/modules", (base + "/var/node_modules").c_str()) != 0)
    return FailErrno(errno, "cannot link '{}/var/node_modules'", base);
  return BuildEtc(base + "/etc");
}

Result<> PrepareInstance(const Places& places) {
  const std::string& home = places.instance;
  GODWIT_TRY(Directory(home, 0700));
  for (const auto* name : {"upper", "root", "run"}) GODWIT_TRY(Directory(home + "/" + name, 0755));
  GODWIT_TRY(Directory(home + "/work", 0700));
  GODWIT_TRY(Directory(home + "/log", 0700));
  GODWIT_TRY(Directory(places.staging, 0700));
  // The function may write into it, and neither read, nor lengthen, nor map it.
  const std::string log = home + "/run/log";
  if (::mkfifo(log.c_str(), 0622) != 0 && errno != EEXIST)
    return FailErrno(errno, "cannot make '{}'", log);
  if (::chmod(log.c_str(), 0622) != 0) return FailErrno(errno, "cannot set the mode of '{}'", log);
  return {};
}

std::vector<std::string> StepsOf(const Places& places) {
  const std::string& home = places.instance;
  const std::string root = home + "/root";
  const auto seconds = std::chrono::floor<std::chrono::seconds>(places.clock_offset);
  std::vector<std::string> steps = {"overlay",
                                    places.image.empty() ? places.base : places.image,
                                    home + "/upper",
                                    home + "/work",
                                    root,
                                    "tmpfs",
                                    root + "/tmp",
                                    fmt::format("size={}m,mode=1777", places.ephemeral_mb),
                                    "tmpfs",
                                    root + "/run",
                                    "size=1m,mode=0755",
                                    "mkdir",
                                    root + "/run/godwit",
                                    "0755",
                                    "bind-ro",
                                    home + "/run",
                                    root + "/run/godwit",
                                    "mkdir",
                                    root + kImagesPath,
                                    "0700",
                                    "bind",
                                    places.staging,
                                    root + kImagesPath,
                                    "dev",
                                    root + "/dev",
                                    "proc",
                                    root + "/proc"};
  const auto add = [&](std::initializer_list<std::string> step) {
    steps.insert(steps.end(), step);
  };
  // As Docker has it, and what else tells of the host's machine and its other users.
  for (const auto name : kMasked)
    add({"mask", root + "/dev/null", fmt::format("{}/proc/{}", root, name)});
  for (const auto name : kReadOnly) add({"read-only", fmt::format("{}/proc/{}", root, name)});
  if (places.image.empty()) add({"bind-ro", "/usr", root + "/usr"});
  // An image has its own users, and the host's way to the world.
  for (const std::string name : {"/etc/hosts", "/etc/resolv.conf"}) {
    if (!places.image.empty() && ::access((places.base + name).c_str(), R_OK) == 0)
      add({"bind-ro", places.base + name, root + name});
  }
  if (!places.code.empty()) add({"bind-ro", places.code, root + "/var/task"});
  if (!places.runtime.empty()) add({"bind-ro", places.runtime, root + "/var/runtime"});
  if (!places.kdat.empty()) add({"copy", places.kdat, root + "/run/criu.kdat"});
  add({"pivot", root, "hostname", places.hostname, "lo", "clock",
       fmt::format("{}", seconds.count()),
       fmt::format("{}", (places.clock_offset - seconds).count()), "listen",
       fmt::format("{}", kRuntimeApiPort)});
  return steps;
}

}  // namespace godwit::sandbox
