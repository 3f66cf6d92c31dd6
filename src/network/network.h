#pragma once

// The network of a node's instances: a link for each, a way out, and a place where their packets
// wait while they are put away.
//
// An instance that asked for it has one address for all of its life, `eth0` with it, and a default
// route to kGateway, which is the node's machine. While it is away the route to its address leads
// into the waiting room (a TUN device), whatever else of it still stands; its connections stay
// alive for their peers. Nothing is set up before the first instance needs it. Threads: the loop;
// what blocks goes to the pool. Lifetime: outlives all instances. Failure: kUnsupported for what
// the kernel or the machine lacks; an instance without its network does not start, and says why.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/gate.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/turns.h"
#include "network/address.h"
#include "network/firewall.h"
#include "network/netlink.h"
#include "network/waiting_room.h"

namespace godwit::network {

inline constexpr Address kGateway{169U << 24 | 254U << 16 | 1U << 8 | 1U};  // 169.254.1.1

class Network {
 public:
  // What a packet says that somebody who is away has to see.
  using Ring = std::function<void(Address, const Packet&)>;

  Network(boost::asio::any_io_executor executor, Pool& pool, FirewallRules rules, Log log);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  ~Network();

  void OnRing(Ring ring) { ring_ = std::move(ring); }

  // An address for a new instance.
  boost::asio::awaitable<Result<Address>> Take();
  // The one that an instance found on disk has.
  void Reserve(Address address) { leases_.Reserve(address); }
  // Its packets are kept from now on.
  boost::asio::awaitable<Result<>> Await(Address address, std::vector<Ear> ears);
  // The instance is no more.
  void GiveBack(Address address);

  // Makes the link of the sandbox whose first process is `init`.
  boost::asio::awaitable<Result<>> Attach(Address address, int init);
  // From now on its packets are kept: it is about to be put away.
  Result<> Hold(Address address);
  // It stands still, and these are its sockets. True if something for one of them is here already.
  bool Expect(Address address, std::vector<Ear> ears);
  bool HasRung(Address address) const { return room_.HasRung(address); }
  // It is back, on its link: what was kept for it is handed over.
  Result<> Deliver(Address address);

  // Ends the way out, when no instance runs any more.
  boost::asio::awaitable<void> Close();

 private:
  boost::asio::awaitable<Result<>> Ready();
  Result<Fd> SetUp();
  boost::asio::awaitable<void> Listen();

  boost::asio::any_io_executor executor_;
  Pool& pool_;
  FirewallRules rules_;
  Log log_;
  Leases leases_;
  WaitingRoom room_;
  Ring ring_;
  Turns turns_;
  bool ready_ = false;
  std::unique_ptr<Netlink> netlink_;
  Fd injector_;   // a packet socket
  int away_ = 0;  // index of the waiting room's device
  std::unique_ptr<boost::asio::posix::stream_descriptor> tunnel_;
  Gate gate_;
};

}  // namespace godwit::network
