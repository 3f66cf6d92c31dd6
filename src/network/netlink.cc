#include "network/netlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>

#include <cerrno>

#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::network {
namespace {

constexpr size_t kRoom = 1024;  // bytes: the largest request here has some 200

struct Message {
  alignas(nlmsghdr) char bytes[kRoom];
  nlmsghdr* header;

  Message(uint16_t type, uint16_t flags) : header(mnl_nlmsg_put_header(bytes)) {
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  template <typename T>
  T* Body() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(header, sizeof(T)));
  }
};

Result<mnl_socket*> OpenSocket() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr) return FailErrno(errno, "cannot speak with the kernel's network");
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) {
    const int error = errno;
    mnl_socket_close(socket);
    return FailErrno(error, "cannot speak with the kernel's network");
  }
  return socket;
}

void PutEnd(nlmsghdr* message, const LinkEnd& end) {
  mnl_attr_put_strz(message, IFLA_IFNAME, end.name.c_str());
  mnl_attr_put(message, IFLA_ADDRESS, end.mac.size(), end.mac.data());
}

void PutAddress(nlmsghdr* message, uint16_t type, Address address) {
  mnl_attr_put_u32(message, type, htonl(address.bits));
}

}  // namespace

void Netlink::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

Result<Netlink> Netlink::Open() {
  GODWIT_TRY(mnl_socket * socket, OpenSocket());
  return Netlink(socket);
}

Result<Netlink> Netlink::OpenIn(int space) {
  GODWIT_TRY(const Fd home, godwit::Open("/proc/thread-self/ns/net", O_RDONLY));
  if (::setns(space, CLONE_NEWNET) != 0)
    return FailErrno(errno, "cannot enter a sandbox's network");
  const Result<mnl_socket*> socket = OpenSocket();
  // A thread that stayed in there would do its next work in the wrong place.
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  if (!socket) return std::unexpected(socket.error());
  return Netlink(*socket);
}

Result<> Netlink::Ask(nlmsghdr* message) {
  message->nlmsg_seq = ++sequence_;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  char answer[8192];
  ssize_t length = mnl_socket_sendto(socket_.get(), message, message->nlmsg_len);
  while (length > 0) {
    length = mnl_socket_recvfrom(socket_.get(), answer, sizeof answer);
    if (length < 0 && errno == EINTR) {
      length = 1;
      continue;
    }
    if (length <= 0) break;
    length = mnl_cb_run(answer, static_cast<size_t>(length), sequence_, port, nullptr, nullptr);
  }
  if (length < 0) return FailErrno(errno, "the kernel refuses");
  return {};
}

Result<> Netlink::MakePair(const LinkEnd& near, const LinkEnd& far, int space) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.Body<ifinfomsg>();
  PutEnd(message.header, near);
  nlattr* info = mnl_attr_nest_start(message.header, IFLA_LINKINFO);
  mnl_attr_put_strz(message.header, IFLA_INFO_KIND, "veth");
  nlattr* data = mnl_attr_nest_start(message.header, IFLA_INFO_DATA);
  nlattr* peer = mnl_attr_nest_start(message.header, VETH_INFO_PEER);
  message.Body<ifinfomsg>()->ifi_index = kFarIndex;
  PutEnd(message.header, far);
  mnl_attr_put_u32(message.header, IFLA_NET_NS_FD, static_cast<uint32_t>(space));
  mnl_attr_nest_end(message.header, peer);
  mnl_attr_nest_end(message.header, data);
  mnl_attr_nest_end(message.header, info);
  return Ask(message.header).Within("cannot make the link '{}'", near.name);
}

Result<> Netlink::Remove(const std::string& link) {
  Message message(RTM_DELLINK, 0);
  message.Body<ifinfomsg>();
  mnl_attr_put_strz(message.header, IFLA_IFNAME, link.c_str());
  return Ask(message.header).Within("cannot remove the link '{}'", link);
}

Result<> Netlink::Up(int index) {
  Message message(RTM_NEWLINK, 0);
  auto* body = message.Body<ifinfomsg>();
  body->ifi_index = index;
  body->ifi_flags = body->ifi_change = IFF_UP;
  return Ask(message.header).Within("cannot bring link {} up", index);
}

Result<> Netlink::AddAddress(int index, Address address) {
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  auto* body = message.Body<ifaddrmsg>();
  body->ifa_family = AF_INET;
  body->ifa_prefixlen = 32;
  body->ifa_scope = RT_SCOPE_UNIVERSE;
  body->ifa_index = static_cast<uint32_t>(index);
  PutAddress(message.header, IFA_LOCAL, address);
  PutAddress(message.header, IFA_ADDRESS, address);
  return Ask(message.header).Within("cannot add the address '{}'", address.ToString());
}

Result<> Netlink::PutRoute(Range to, int index, Address gateway) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* body = message.Body<rtmsg>();
  body->rtm_family = AF_INET;
  body->rtm_dst_len = static_cast<uint8_t>(to.prefix);
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_protocol = RTPROT_STATIC;
  body->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body->rtm_type = RTN_UNICAST;
  if (to.prefix > 0) PutAddress(message.header, RTA_DST, to.first);
  mnl_attr_put_u32(message.header, RTA_OIF, static_cast<uint32_t>(index));
  if (gateway) PutAddress(message.header, RTA_GATEWAY, gateway);
  return Ask(message.header).Within("cannot route '{}'", to.ToString());
}

Result<> Netlink::DropRoute(Range to) {
  Message message(RTM_DELROUTE, 0);
  auto* body = message.Body<rtmsg>();
  body->rtm_family = AF_INET;
  body->rtm_dst_len = static_cast<uint8_t>(to.prefix);
  body->rtm_table = RT_TABLE_MAIN;
  body->rtm_scope = RT_SCOPE_NOWHERE;
  PutAddress(message.header, RTA_DST, to.first);
  return Ask(message.header).Within("cannot drop the route to '{}'", to.ToString());
}

Result<> Netlink::PutNeighbour(int index, Address address, const Mac& mac) {
  Message message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto* body = message.Body<ndmsg>();
  body->ndm_family = AF_INET;
  body->ndm_ifindex = index;
  body->ndm_state = NUD_PERMANENT;
  PutAddress(message.header, NDA_DST, address);
  mnl_attr_put(message.header, NDA_LLADDR, mac.size(), mac.data());
  return Ask(message.header).Within("cannot note the neighbour '{}'", address.ToString());
}

}  // namespace godwit::network
