#include "sandbox/init/walls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace godwit::sandbox {
namespace {

bool Bind(const char* from, const char* to, bool read_only) {
  if (::mount(from, to, nullptr, MS_BIND, nullptr) != 0) return false;
  const unsigned long locked = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV;
  return ::mount(nullptr, to, nullptr, locked | (read_only ? MS_RDONLY : 0), nullptr) == 0;
}

// By descriptors, for the mount shows its options to the function: paths would tell of the host.
bool Overlay(const char* lower, const char* upper, const char* work, const char* root) {
  constexpr int kDirectory = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const int fds[] = {::open(lower, kDirectory), ::open(upper, kDirectory),
                     ::open(work, kDirectory)};
  char options[160];
  std::snprintf(options, sizeof options,
                "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
                fds[0], fds[1], fds[2]);
  bool good = fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0;
  good = good && ::mount("godwit", root, "overlay", MS_NOSUID | MS_NODEV, options) == 0;
  const int error = errno;
  for (const int fd : fds) ::close(fd);
  errno = error;
  return good;
}

bool Tmpfs(const char* to, const char* options) {
  return ::mount("tmpfs", to, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
}

// What a kernel does not have needs no wall.
bool IsAbsent() { return errno == ENOENT || errno == ENOTDIR; }

// A file reads as empty, a directory has nothing in it, as container runtimes have it.
bool Mask(const char* path, const char* null) {
  struct stat st = {};
  if (::stat(path, &st) != 0) return IsAbsent();
  if (S_ISDIR(st.st_mode)) {
    return ::mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                   "size=0k") == 0;
  }
  return ::mount(null, path, nullptr, MS_BIND, nullptr) == 0;
}

bool ReadOnly(const char* path) {
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0) return IsAbsent();
  return ::mount(nullptr, path, nullptr,
                 MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
}

// A namespace with a small table of connections (nursery.h) remembers few that are over, and few
// that are half made, unless it is told otherwise. Without these settings it is as it is.
void Widen(const char* proc) {
  struct Setting {
    const char* name;
    const char* value;
  };
  for (const Setting setting :
       {Setting{"tcp_max_tw_buckets", "16384\n"}, {"tcp_max_syn_backlog", "1024\n"}}) {
    char path[4096];
    std::snprintf(path, sizeof path, "%s/sys/net/ipv4/%s", proc, setting.name);
    const int file = ::open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) continue;
    static_cast<void>(::write(file, setting.value, std::strlen(setting.value)));
    ::close(file);
  }
}

// Process 1's own way to say which pid comes next, from before /proc/sys is read-only.
bool Proc(const char* to, int& last_pid) {
  if (::mount("proc", to, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) return false;
  char path[4096];
  std::snprintf(path, sizeof path, "%s/sys/kernel/ns_last_pid", to);
  last_pid = ::open(path, O_WRONLY | O_CLOEXEC);  // -1: a kernel without checkpoints
  Widen(to);
  return true;
}

// Pseudo-terminals that are nobody else's; a few, for each takes memory of the kernel's.
bool Terminals(const char* devices) {
  char path[4096];
  std::snprintf(path, sizeof path, "%s/pts", devices);
  return ::mkdir(path, 0755) == 0 && ::mount("devpts", path, "devpts", MS_NOSUID | MS_NOEXEC,
                                             "newinstance,ptmxmode=0666,mode=0600,max=64") == 0;
}

// The devices a program may expect, and no other (OCI runtime specification, "Default Devices").
bool Devices(const char* to) {
  if (::mount("tmpfs", to, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=0755") != 0) return false;
  struct Node {
    const char* name;
    unsigned minor;
  };
  char path[4096];
  for (const Node node :
       {Node{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}}) {
    std::snprintf(path, sizeof path, "%s/%s", to, node.name);
    if (::mknod(path, S_IFCHR | 0666, makedev(1, node.minor)) != 0 || ::chmod(path, 0666) != 0)
      return false;
  }
  struct Link {
    const char* name;
    const char* target;
  };
  for (const Link link : {Link{"fd", "/proc/self/fd"},
                          {"stdin", "/proc/self/fd/0"},
                          {"stdout", "/proc/self/fd/1"},
                          {"stderr", "/proc/self/fd/2"},
                          {"ptmx", "pts/ptmx"}}) {
    std::snprintf(path, sizeof path, "%s/%s", to, link.name);
    if (::symlink(link.target, path) != 0) return false;
  }
  std::snprintf(path, sizeof path, "%s/shm", to);
  return ::mkdir(path, 0755) == 0 && Terminals(to);
}

bool Copy(const char* from, const char* to) {
  const int in = ::open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return false;
  const int out = ::open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool good = out >= 0;
  char buffer[8192];
  while (good) {
    const ssize_t n = ::read(in, buffer, sizeof buffer);
    if (n <= 0) {
      good = n == 0;
      break;
    }
    good = ::write(out, buffer, static_cast<size_t>(n)) == n;
  }
  ::close(in);
  if (out >= 0) ::close(out);
  return good;
}

bool Pivot(const char* root) {
  return ::chdir(root) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
         ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0;
}

bool LoopbackUp() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool good = ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  ::close(socket);
  return good;
}

// Processes started from now on live in a time namespace whose clocks are ahead of the machine's by
// this much (negative: behind), so that a restored function sees one clock that never stopped
// (time_namespaces(7)).
bool Clocks(const char* seconds, const char* nanoseconds) {
  if (::unshare(CLONE_NEWTIME) != 0) return false;
  const int fd = ::open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[160];
  const int length = std::snprintf(text, sizeof text, "monotonic %s %s\nboottime %s %s\n", seconds,
                                   nanoseconds, seconds, nanoseconds);
  const bool good = ::write(fd, text, static_cast<size_t>(length)) == length;
  ::close(fd);
  return good;
}

int Listen(const char* port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (socket < 0 || ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket, 64) != 0) {
    return -1;
  }
  return socket;
}

}  // namespace

bool BuildWalls(std::span<char*> steps, Walls& walls) {
  size_t at = 0;
  bool known = true;
  const auto is = [&](const char* name, size_t operands) {
    return std::strcmp(steps[at], name) == 0 && at + operands < steps.size();
  };
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    walls.failed_step = "make mounts private";
    return false;
  }
  while (at < steps.size()) {
    char** step = &steps[at];
    bool good = false;
    size_t operands = 0;
    if (is("overlay", 4)) {
      good = Overlay(step[1], step[2], step[3], step[4]);
      operands = 4;
    } else if (is("bind", 2) || is("bind-ro", 2)) {
      good = Bind(step[1], step[2], std::strcmp(step[0], "bind-ro") == 0);
      operands = 2;
    } else if (is("tmpfs", 2)) {
      good = Tmpfs(step[1], step[2]);
      operands = 2;
    } else if (is("proc", 1)) {
      good = Proc(step[1], walls.last_pid);
      operands = 1;
    } else if (is("mask", 2)) {
      good = Mask(step[2], step[1]);
      operands = 2;
    } else if (is("read-only", 1)) {
      good = ReadOnly(step[1]);
      operands = 1;
    } else if (is("dev", 1)) {
      good = Devices(step[1]);
      operands = 1;
    } else if (is("mkdir", 2)) {
      good = ::mkdir(step[1], static_cast<mode_t>(std::strtoul(step[2], nullptr, 8))) == 0;
      operands = 2;
    } else if (is("copy", 2)) {
      good = Copy(step[1], step[2]);
      operands = 2;
    } else if (is("pivot", 1)) {
      good = Pivot(step[1]);
      operands = 1;
    } else if (is("hostname", 1)) {
      good = ::sethostname(step[1], std::strlen(step[1])) == 0;
      operands = 1;
    } else if (is("lo", 0)) {
      good = LoopbackUp();
    } else if (is("clock", 2)) {
      good = Clocks(step[1], step[2]);
      operands = 2;
    } else if (is("listen", 1)) {
      walls.listener = Listen(step[1]);
      good = walls.listener >= 0;
      operands = 1;
    } else {
      known = false;
      errno = EINVAL;
    }
    if (!good) {
      walls.failed_step = step[0];
      walls.failed_operand = known && operands > 0 ? step[operands] : "";
      return false;
    }
    at += operands + 1;
  }
  return true;
}

}  // namespace godwit::sandbox
