#pragma once

// Links, addresses and routes of a network namespace, through rtnetlink(7).
//
// Threads: an object belongs to one thread at a time. Failure: by the kernel's errno, naming the
// operand; kDenied without CAP_NET_ADMIN.
#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "network/address.h"

struct mnl_socket;
struct nlmsghdr;  // NOLINT(readability-identifier-naming): the kernel's name

namespace godwit::network {

using Mac = std::array<uint8_t, 6>;

// One end of a pair of virtual Ethernet devices (veth(4)).
struct LinkEnd {
  std::string name;
  Mac mac{};
};

class Netlink {
 public:
  // Speaks for the network namespace of this thread.
  static Result<Netlink> Open();
  // For that of `/proc/PID/ns/net`, opened as `space`: this thread steps in for a moment.
  static Result<Netlink> OpenIn(int space);

  // `far` gets index 2 in the namespace `space`, which has nothing but a loopback yet.
  Result<> MakePair(const LinkEnd& near, const LinkEnd& far, int space);
  static constexpr int kFarIndex = 2;
  Result<> Remove(const std::string& link);
  Result<> Up(int index);
  Result<> AddAddress(int index, Address address);
  // Takes the place of a route that there is.
  Result<> PutRoute(Range to, int index, Address gateway = {});
  Result<> DropRoute(Range to);
  Result<> PutNeighbour(int index, Address address, const Mac& mac);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  Result<> Ask(nlmsghdr* message);

  std::unique_ptr<mnl_socket, Close> socket_;
  uint32_t sequence_ = 0;
};

}  // namespace godwit::network
