#include "node/ground.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/try.h"
#include "node/runtime_files.h"
#include "sandbox/rootfs.h"

namespace godwit::node {
namespace {

namespace fs = std::filesystem;

Result<std::string> Slurp(const std::string& path) {
  GODWIT_TRY(const Fd fd, Open(path, O_RDONLY));
  return ReadAll(fd.get(), 16 << 20).Within("cannot read '{}'", path);
}

// A process that moves into a control group waits for a grace period of the kernel, some 6 ms,
// unless a hierarchy asks for quick moves (`favordynmods`, Linux 6.0). An empty hierarchy of our
// own asks, and ends with our mount namespace. Older kernels refuse, and wait.
void HurryCgroups(const std::string& data) {
  const std::string path = data + "/groups";
  ::mkdir(path.c_str(), 0700);
  const std::string options = "none,favordynmods,name=godwit-" + ToHex(Sha256(data)).substr(0, 12);
  static_cast<void>(
      ::mount("godwit", path.c_str(), "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()));
}

// Memory is staged in huge pages, which a kernel may lack: writing 5 MB takes 0.2 ms instead of 2.
Result<> MountStaging(const std::string& path) {
  for (const auto* options : {"mode=0700,size=90%,huge=within_size", "mode=0700,size=90%"}) {
    if (::mount("godwit", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) == 0) return {};
  }
  return FailErrno(errno, "cannot mount a tmpfs on '{}'", path);
}

}  // namespace

Result<functions::Directories> PrepareGround(const std::string& data) {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return Fail(CodeOfErrno(errno),
                "cannot leave the host's mounts for '{}': {} (run as root, with CAP_SYS_ADMIN)",
                data, ErrnoText(errno));
  }
  functions::Directories directories;
  directories.base = data + "/base";
  directories.instances = data + "/instances";
  directories.staging = data + "/staging";
  directories.code = data + "/code";
  directories.runtimes = data + "/runtimes";
  directories.logs = data + "/logs";
  directories.images = data + "/images";
  const auto files = DiskFiles();
  for (const auto& directory : {directories.instances, directories.staging, directories.code,
                                directories.logs, directories.images}) {
    GODWIT_TRY(files->MakeDirectory(directory));
  }
  GODWIT_TRY(MountStaging(directories.staging));
  HurryCgroups(data);
  GODWIT_TRY(sandbox::BuildBase(directories.base));
  GODWIT_TRY(UnpackRuntimes(directories.runtimes));
  return directories;
}

Result<sandbox::CgroupTree> ClaimCgroups(const std::string& data) {
  std::error_code error;
  const std::string name =
      "godwit-" + ToHex(Sha256(fs::canonical(data, error).string())).substr(0, 12);
  GODWIT_TRY(const std::string mounts, Slurp("/proc/self/mountinfo"));
  GODWIT_TRY(const std::string self, Slurp("/proc/self/cgroup"));
  GODWIT_TRY(sandbox::CgroupTree tree, sandbox::CgroupTree::Open(name, mounts, self));
  for (const auto& left : tree.List()) GODWIT_TRY(tree.At(left).Remove());
  return tree;
}

Result<std::string> NoteBoot(const std::string& data, const functions::Directories& directories) {
  GODWIT_TRY(std::string boot, Slurp("/proc/sys/kernel/random/boot_id"));
  while (!boot.empty() && boot.back() == '\n') boot.pop_back();
  const auto files = DiskFiles();
  const std::string path = data + "/boot";
  const Result<std::string> last = files->Read(path, 128);
  if (!last || *last != boot) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directories.code, error))
      fs::remove_all(entry.path(), error);
    GODWIT_TRY(files->Write(path, boot, Durability::kCached));
  }
  return boot;
}

}  // namespace godwit::node
