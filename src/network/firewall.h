#pragma once

// The rules between instances, their node and the world: one nftables table of each node.
//
// Instances reach the world through the machine's own addresses (NAT) and what listens on the
// machine, but neither each other, nor link-local services of a cloud, nor the node's own port.
// Who turned the machine into a router for them has not turned it into one for others. Threads:
// any, they block for some milliseconds. Failure: kUnsupported without nft(8) or without the
// kernel's part, with its word.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "network/address.h"

namespace godwit::network {

struct FirewallRules {
  std::string name;       // of the node, in the names of its links
  Range range;            // of its instances' addresses
  uint16_t own_port = 0;  // where the node listens; 0: on no port
};

// Puts the rules in force, in place of those of a former node of that name.
Result<> RaiseFirewall(const FirewallRules& rules);
void DropFirewall(const std::string& name);

}  // namespace godwit::network
