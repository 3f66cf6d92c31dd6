#include "sandbox/seccomp.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/scope.h"

namespace godwit::sandbox {
namespace {

constexpr std::array<std::string_view, 66> kDenied = {
    // reach out of the sandbox, or into the kernel
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime",
    "create_module", "delete_module", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
    "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr", "move_mount",
    "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree",
    "perf_event_open", "personality", "pivot_root", "process_vm_readv", "process_vm_writev",
    "ptrace", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy",
    "setdomainname", "sethostname", "setns", "settimeofday", "stime", "swapoff", "swapon",
    "_sysctl", "syslog", "umount", "umount2", "unshare", "uselib", "ustat", "vhangup",
    // cannot be checkpointed
    "fanotify_init", "fanotify_mark", "memfd_secret", "userfaultfd", "vmsplice",
    "landlock_create_ruleset"};
constexpr std::array<std::string_view, 3> kAbsent = {"io_uring_setup", "io_uring_enter",
                                                     "io_uring_register"};

}  // namespace

Result<Fd> BuildFilter() {
  const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return Fail(Code::kUnsupported, "libseccomp cannot make a filter");
  const ScopeExit release([&] { ::seccomp_release(filter); });
  const auto deny = [&](std::string_view name, int error) {
    const int number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
    if (number != __NR_SCMP_ERROR) {  // calls that this architecture never had need no rule
      ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), number, 0);
    }
  };
  for (const auto name : kDenied) deny(name, EPERM);
  for (const auto name : kAbsent) deny(name, ENOSYS);
  // New namespaces through clone() as through unshare(); clone3 hides its flags behind a pointer,
  // so it is absent and the C library falls back to clone.
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  for (uint64_t flag = 1; flag != 0; flag <<= 1) {
    if ((flag & kNamespaces) == 0) continue;
    const scmp_arg_cmp asks = {0, SCMP_CMP_MASKED_EQ, flag, flag};
    ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &asks);
  }
  deny("clone3", ENOSYS);
  // Sockets that leave the network namespace or load kernel code.
  for (const int family : {AF_VSOCK, AF_PACKET, AF_ALG, AF_KEY}) {
    const scmp_arg_cmp is = {0, SCMP_CMP_EQ, static_cast<uint64_t>(family), 0};
    ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &is);
  }
  Fd memory(::memfd_create("seccomp", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  if (!memory) return FailErrno(errno, "cannot keep the system call filter");
  if (const int error = ::seccomp_export_bpf(filter, memory.get()); error != 0) {
    return FailErrno(-error, "cannot build the system call filter");
  }
  ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return memory;
}

}  // namespace godwit::sandbox
