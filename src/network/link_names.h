#pragma once

// How a node's links are called: "godwit-", four letters of the node, four of the instance, 15 in
// all, which is what Linux allows.
//
// Threads: values. Failure: none.
#include <string>

#include "base/error.h"
#include "network/address.h"
#include "network/netlink.h"

namespace godwit::network {

inline constexpr const char* kLinkPrefix = "godwit-";

inline std::string LinkOf(const std::string& node, Address address) {
  return fmt::format("{}{}{:04x}", kLinkPrefix, node, address.bits & 0xffff);
}
// The device of those who are away.
inline std::string AwayLinkOf(const std::string& node) { return kLinkPrefix + node + "away"; }

// Local addresses (second bit of the first byte), made of the instance's.
inline Mac NearMac(Address address) {
  return {0x06,
          0x67,
          static_cast<uint8_t>(address.bits >> 24),
          static_cast<uint8_t>(address.bits >> 16),
          static_cast<uint8_t>(address.bits >> 8),
          static_cast<uint8_t>(address.bits)};
}
inline Mac FarMac(Address address) {
  Mac mac = NearMac(address);
  mac[0] = 0x02;
  return mac;
}

}  // namespace godwit::network
