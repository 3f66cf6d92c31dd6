#include "network/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "network/link_names.h"

namespace godwit::network {

namespace asio = boost::asio;

namespace {

constexpr size_t kLargest = 65536;  // bytes of an IP packet

// A setting of the network namespace of this thread.
Result<> Set(const std::string& key, std::string_view value) {
  const std::string path = "/proc/sys/net/" + key;
  GODWIT_TRY(const Fd file, Open(path, O_WRONLY));
  return WriteAll(file.get(), value).Within("cannot set '{}'", path);
}

Result<Fd> MakeTunnel(const std::string& name) {
  auto tunnel = Open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (!tunnel) {
    return Fail(Code::kUnsupported, "{} (the kernel needs TUN: modprobe tun)",
                tunnel.error().ToString());
  }
  ifreq request = {};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(tunnel->get(), TUNSETIFF, &request) != 0)
    return FailErrno(errno, "cannot make the device '{}'", name);
  return tunnel;
}

}  // namespace

Network::Network(asio::any_io_executor executor, Pool& pool, FirewallRules rules, Log log)
    : executor_(executor),
      pool_(pool),
      rules_(std::move(rules)),
      log_(std::move(log)),
      leases_(rules_.range),
      turns_(executor),
      gate_(executor) {}

Network::~Network() = default;

Result<Fd> Network::SetUp() {
  GODWIT_TRY(Netlink netlink, Netlink::Open());
  netlink_ = std::make_unique<Netlink>(std::move(netlink));
  const std::string name = AwayLinkOf(rules_.name);
  GODWIT_TRY(Fd tunnel, MakeTunnel(name));
  away_ = static_cast<int>(::if_nametoindex(name.c_str()));
  // It has no neighbours to look for, and speaks for others.
  static_cast<void>(Set(fmt::format("ipv6/conf/{}/disable_ipv6", name), "1"));
  GODWIT_TRY(netlink_->AddAddress(away_, kGateway));
  GODWIT_TRY(netlink_->Up(away_));
  injector_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!injector_) return FailErrno(errno, "cannot open a packet socket");
  GODWIT_TRY(RaiseFirewall(rules_));
  return tunnel;
}

asio::awaitable<Result<>> Network::Ready() {
  if (ready_) co_return Result<>{};
  const Turns::Held mine = co_await turns_.Take("set-up");
  if (ready_) co_return Result<>{};
  Result<Fd> tunnel = co_await Offload(pool_, [&] { return SetUp(); });
  if (!tunnel)
    co_return std::unexpected(std::move(tunnel).Within("instances have no network here").error());
  tunnel_ = std::make_unique<asio::posix::stream_descriptor>(executor_, tunnel->Release());
  ready_ = true;
  static_cast<void>(gate_.Spawn(Listen()));
  co_return Result<>{};
}

asio::awaitable<void> Network::Listen() {
  std::vector<char> buffer(kLargest);
  while (true) {
    const auto [error, length] = co_await tunnel_->async_read_some(
        asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    const WaitingRoom::Word word = room_.Arrive(std::string(buffer.data(), length));
    if (word.answer) {
      const ssize_t sent =
          ::write(tunnel_->native_handle(), word.answer->data(), word.answer->size());
      if (sent < 0) log_.Debug("cannot answer for an instance: {}", ErrnoText(errno));
    }
    if (word.ring && ring_) ring_(word.ring->to, *word.ring);
  }
}

asio::awaitable<Result<Address>> Network::Take() {
  GODWIT_CO_TRY(co_await Ready());
  co_return leases_.Take();
}

asio::awaitable<Result<>> Network::Await(Address address, std::vector<Ear> ears) {
  GODWIT_CO_TRY(co_await Ready());
  GODWIT_CO_TRY(Hold(address));
  static_cast<void>(Expect(address, std::move(ears)));
  co_return Result<>{};
}

void Network::GiveBack(Address address) {
  room_.Close(address);
  // Its link goes with its sandbox, and the route with the link; not one into the waiting room.
  if (netlink_) static_cast<void>(netlink_->DropRoute({address}));
  leases_.GiveBack(address);
}

asio::awaitable<Result<>> Network::Attach(Address address, int init) {
  GODWIT_CO_TRY(co_await Ready());
  const bool away = room_.Knows(address);
  co_return co_await Offload(pool_, [&]() -> Result<> {
    GODWIT_TRY(const Fd space, Open(fmt::format("/proc/{}/ns/net", init), O_RDONLY));
    GODWIT_TRY(Netlink inside, Netlink::OpenIn(space.get()));
    GODWIT_TRY(Netlink outside, Netlink::Open());
    const std::string name = LinkOf(rules_.name, address);
    const LinkEnd near{name, NearMac(address)};
    const LinkEnd far{"eth0", FarMac(address)};
    Result<> made = outside.MakePair(near, far, space.get());
    if (!made && ::if_nametoindex(name.c_str()) != 0) {
      // The last one's sandbox has ended, and the kernel has not come to its link yet.
      static_cast<void>(outside.Remove(name));
      made = outside.MakePair(near, far, space.get());
    }
    if (!made) return made;
    const int index = static_cast<int>(::if_nametoindex(name.c_str()));
    static_cast<void>(Set(fmt::format("ipv6/conf/{}/disable_ipv6", name), "1"));
    // It speaks for itself alone (RFC 3704, strict).
    GODWIT_TRY(Set(fmt::format("ipv4/conf/{}/rp_filter", name), "1"));
    GODWIT_TRY(inside.AddAddress(Netlink::kFarIndex, address));
    GODWIT_TRY(inside.Up(Netlink::kFarIndex));
    GODWIT_TRY(inside.PutNeighbour(Netlink::kFarIndex, kGateway, near.mac));
    GODWIT_TRY(inside.PutRoute({kGateway}, Netlink::kFarIndex));
    GODWIT_TRY(inside.PutRoute({Address{}, 0}, Netlink::kFarIndex, kGateway));
    GODWIT_TRY(outside.Up(index));
    GODWIT_TRY(outside.PutNeighbour(index, address, far.mac));
    return away ? Result<>{} : outside.PutRoute({address}, index);
  });
}

Result<> Network::Hold(Address address) {
  room_.Open(address);
  return netlink_->PutRoute({address}, away_);
}

bool Network::Expect(Address address, std::vector<Ear> ears) {
  return room_.Expect(address, std::move(ears));
}

Result<> Network::Deliver(Address address) {
  const int index = static_cast<int>(::if_nametoindex(LinkOf(rules_.name, address).c_str()));
  GODWIT_TRY(netlink_->PutRoute({address}, index));
  sockaddr_ll to = {};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_IP);
  to.sll_ifindex = index;
  to.sll_halen = ETH_ALEN;
  ethhdr header = {};
  const Mac far = FarMac(address);
  const Mac near = NearMac(address);
  std::ranges::copy(far, header.h_dest);
  std::ranges::copy(near, header.h_source);
  header.h_proto = htons(ETH_P_IP);
  for (const std::string& packet : room_.Close(address)) {
    const std::string frame =
        std::string(reinterpret_cast<const char*>(&header), sizeof header) + packet;
    if (::sendto(injector_.get(), frame.data(), frame.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
      log_.Debug("a packet that was kept for {} is lost: {}", address.ToString(), ErrnoText(errno));
    }
  }
  return {};
}

asio::awaitable<void> Network::Close() {
  if (!ready_) co_return;
  tunnel_->close();
  co_await gate_.Close();
  co_await Offload(pool_, [&] {
    DropFirewall(rules_.name);
    return 0;
  });
}

}  // namespace godwit::network
