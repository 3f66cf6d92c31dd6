#include "sandbox/nursery.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "base/try.h"

namespace godwit::sandbox {
namespace {

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";
constexpr const char* kTcp = "/proc/sys/net/ipv4/tcp_child_ehash_entries";
constexpr const char* kUdp = "/proc/sys/net/ipv4/udp_child_hash_entries";
constexpr const char* kPlaces = "256\n";

// Not there in an old kernel.
void Set(const char* setting) {
  const Result<Fd> file = Open(setting, O_WRONLY);
  if (file) static_cast<void>(WriteAll(file->get(), kPlaces));
}

Result<Fd> MakePlace() {
  if (::unshare(CLONE_NEWNET) != 0)
    return FailErrno(errno, "cannot make a network namespace (godwit node must run as root)");
  Set(kTcp);
  Set(kUdp);
  return Open(kOwnNamespace, O_RDONLY);
}

}  // namespace

Result<Nursery> Nursery::Make() {
  GODWIT_TRY(Fd home, Open(kOwnNamespace, O_RDONLY));
  Result<Fd> place = Fd();
  std::thread([&] { place = MakePlace(); }).join();
  if (!place) return std::unexpected(std::move(place).error());
  return Nursery(*std::move(place), std::move(home));
}

Nursery::Stay::Stay(const Nursery& nursery)
    : nursery_(nursery), away_(::setns(nursery.place_.get(), CLONE_NEWNET) == 0) {}

Nursery::Stay::~Stay() {
  if (away_ && ::setns(nursery_.home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace godwit::sandbox
