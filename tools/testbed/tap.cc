#include "testbed/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "testbed/framing.h"

namespace godwit::testbed {
namespace {

constexpr unsigned kUdp = 0x20 | 0x40;  // TUN_F_USO4 and 6, of Linux 6.2
constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
// From the best to what any kernel has.
constexpr unsigned kLarge[] = {kTcp | TUN_F_TSO_ECN | kUdp, kTcp | TUN_F_TSO_ECN, kTcp};

}  // namespace

Result<Tap> Tap::Make(const std::string& space, const std::string& device) {
  if (device.empty() || device.size() >= IFNAMSIZ) {
    return Fail(Code::kInvalid, "cannot name a device '{}': 1 to {} characters", device,
                IFNAMSIZ - 1);
  }
  GODWIT_TRY(const Fd own, Open("/proc/thread-self/ns/net", O_RDONLY));
  GODWIT_TRY(const Fd other, Open(space, O_RDONLY));
  if (::setns(other.get(), CLONE_NEWNET) != 0) return FailErrno(errno, "cannot enter '{}'", space);
  // A TUN descriptor belongs to the namespace in which it was opened.
  auto opened = Open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (::setns(own.get(), CLONE_NEWNET) != 0)
    return FailErrno(errno, "cannot return from '{}'", space);
  GODWIT_TRY(Fd fd, std::move(opened));
  ifreq request = {};
  std::strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return FailErrno(errno, "cannot make the device '{}' in '{}'", device, space);
  int header = kHeader;
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &header) != 0)
    return FailErrno(errno, "cannot set the header of '{}'", device);
  Tap tap(std::move(fd), device);
  GODWIT_TRY(tap.SetLarge(true));
  return tap;
}

Result<> Tap::SetLarge(bool large) {
  if (large == large_) return {};
  if (!large) {
    if (::ioctl(fd_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(TUN_F_CSUM)) != 0)
      return FailErrno(errno, "cannot have single frames of '{}'", device_);
    large_ = false;
    return {};
  }
  for (const unsigned long features : kLarge) {
    if (::ioctl(fd_.get(), TUNSETOFFLOAD, features) == 0) {
      large_ = true;
      return {};
    }
  }
  return FailErrno(errno, "cannot have large segments of '{}'", device_);
}

size_t Tap::Read(std::span<char> into) {
  while (true) {
    const ssize_t length = ::read(fd_.get(), into.data(), into.size());
    if (length >= 0) return static_cast<size_t>(length);
    if (errno != EINTR) return 0;  // nothing there, or the device is down
  }
}

bool Tap::Write(std::string_view frame) {
  while (true) {
    const ssize_t length = ::write(fd_.get(), frame.data(), frame.size());
    if (length >= 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace godwit::testbed
