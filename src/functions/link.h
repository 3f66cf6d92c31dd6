#pragma once

// One instance's link to the world, from its first start to its end: none, if its function has no
// network.
//
// Its address stays the same while the instance is put away and comes back; its packets wait
// meanwhile in network/waiting_room.h. Threads: the loop. Lifetime: the network outlives it.
// Failure: an Error that says what the node's machine lacks; without a network every step does
// nothing and succeeds.
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "network/network.h"

namespace godwit::functions {

class Link {
 public:
  // `network` is null if the function has none; `address` is that of an instance found on disk.
  explicit Link(network::Network* network, network::Address address = {});
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  network::Address address() const { return address_; }

  // Of an instance found on disk: its packets are kept from now on.
  boost::asio::awaitable<Result<>> Await(std::vector<network::Ear> ears);
  // Gives the new walls, whose first process is `init`, their end of it.
  boost::asio::awaitable<Result<>> Attach(int init);
  // The instance is about to be put away.
  Result<> Hold();
  // It stands still and has these sockets. True if somebody has said something to one of them.
  bool Expect(std::vector<network::Ear> ears);
  // Somebody has said something since Hold().
  bool HasRung() const { return address_ && network_->HasRung(address_); }
  // It is back, or was never away: what was kept is handed over.
  Result<> Deliver();

 private:
  network::Network* network_;
  network::Address address_;
};

}  // namespace godwit::functions
