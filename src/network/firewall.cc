#include "network/firewall.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "base/try.h"
#include "network/link_names.h"

extern "C" char** environ;

namespace godwit::network {
namespace {

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";
constexpr size_t kMostSaid = 4096;  // bytes of nft's complaints

// Runs nft on `rules`; its first line is the reason of a failure.
Result<> RunNft(const std::string& rules) {
  const Fd in(::memfd_create("rules", MFD_CLOEXEC));
  const Fd out(::memfd_create("said", MFD_CLOEXEC));
  if (!in || !out) return FailErrno(errno, "cannot hold the firewall's rules");
  GODWIT_TRY(WriteAll(in.get(), rules));
  ::lseek(in.get(), 0, SEEK_SET);
  posix_spawn_file_actions_t streams;
  ::posix_spawn_file_actions_init(&streams);
  ::posix_spawn_file_actions_adddup2(&streams, in.get(), 0);
  ::posix_spawn_file_actions_adddup2(&streams, out.get(), 1);
  ::posix_spawn_file_actions_adddup2(&streams, out.get(), 2);
  const char* argv[] = {"nft", "-f", "-", nullptr};
  pid_t pid = 0;
  int failed = ENOENT;
  for (const char* path : {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"}) {
    failed = ::posix_spawn(&pid, path, &streams, nullptr, const_cast<char**>(argv), environ);
    if (failed != ENOENT) break;
  }
  ::posix_spawn_file_actions_destroy(&streams);
  if (failed == ENOENT) {
    return Fail(Code::kUnsupported, "there is no nft(8) (install the package nftables)");
  }
  if (failed != 0) return FailErrno(failed, "cannot run nft");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  ::lseek(out.get(), 0, SEEK_SET);
  GODWIT_TRY(std::string said, ReadAll(out.get(), kMostSaid));
  return Fail(Code::kUnsupported, "nft refuses: {}", said.substr(0, said.find('\n')));
}

std::string TableOf(const std::string& name) { return "godwit_" + name; }

// Whether the machine is a router already, for others than instances.
Result<bool> Forwards() {
  GODWIT_TRY(const Fd file, Open(kForwarding, O_RDONLY));
  GODWIT_TRY(const std::string text, ReadAll(file.get(), 16));
  return text.starts_with('1');
}

}  // namespace

Result<> RaiseFirewall(const FirewallRules& rules) {
  // A former node of that name may have been killed: what it turned on was not on before.
  const bool ours =
      RunNft(fmt::format("list chain ip {} bystanders", TableOf(rules.name))).has_value();
  GODWIT_TRY(const bool forwards, Forwards());
  std::string text =
      fmt::format("add table ip {0}\ndelete table ip {0}\ntable ip {0} {{\n", TableOf(rules.name));
  const std::string any = fmt::format("\"{}*\"", kLinkPrefix);
  const std::string own = fmt::format("\"{}{}*\"", kLinkPrefix, rules.name);
  const std::string range = rules.range.ToString();
  text += fmt::format(
      "  chain outwards {{\n    type nat hook postrouting priority srcnat;\n"
      "    ip saddr {} oifname != {} masquerade\n  }}\n",
      range, any);
  if (!forwards || ours) {
    text +=
        fmt::format("  chain bystanders {{\n    iifname != {0} oifname != {0} drop\n  }}\n", any);
  }
  text += fmt::format(
      "  chain across {{\n    type filter hook forward priority filter;\n"
      "    iifname {0} oifname {0} drop\n"
      "    iifname {1} ip saddr != {2} drop\n"
      "    iifname {1} ip daddr 169.254.0.0/16 drop\n"
      "    iifname != {0} oifname {1} ct state new drop\n"
      "{3}  }}\n",
      any, own, range, !forwards || ours ? "    jump bystanders\n" : "");
  text += "  chain inwards {\n    type filter hook input priority filter;\n";
  text += fmt::format("    iifname {} ip saddr != {} drop\n", own, range);
  if (rules.own_port != 0)
    text += fmt::format("    iifname {} tcp dport {} drop\n", any, rules.own_port);
  text += "  }\n}\n";
  GODWIT_TRY(RunNft(text).Within("cannot set the firewall's rules"));
  if (forwards) return {};
  GODWIT_TRY(const Fd file, Open(kForwarding, O_WRONLY));
  return WriteAll(file.get(), "1").Within("cannot forward packets");
}

void DropFirewall(const std::string& name) {
  static_cast<void>(RunNft(fmt::format("delete table ip {}\n", TableOf(name))));
}

}  // namespace godwit::network
