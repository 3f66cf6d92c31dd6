#pragma once

// What an IPv4 packet is about, as far as somebody who is away has to know, and the one packet that
// is answered for him.
//
// Threads: values. Failure: nothing for bytes that are no IPv4 packet, or less than one. Sources:
// RFC 791, 768, 9293 (3.8.4, keep-alives), 7323 (3, time stamps).
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "network/address.h"

namespace godwit::network {

enum class Protocol : uint8_t { kTcp = 6, kUdp = 17 };

struct Packet {
  Address from, to;
  uint8_t protocol = 0;         // as IP numbers them
  bool later_fragment = false;  // of a packet that was cut: has no ports
  uint16_t from_port = 0;       // of TCP and UDP
  uint16_t to_port = 0;
  uint32_t sequence = 0;  // of TCP, and so are all below
  uint32_t acknowledged = 0;
  bool syn = false, fin = false, rst = false;
  uint32_t payload = 0;  // bytes
  // Its time stamp, and the one it answers (RFC 7323).
  std::optional<std::pair<uint32_t, uint32_t>> stamps;
};

std::optional<Packet> ReadPacket(std::span<const uint8_t> bytes);

// The acknowledgement that a live receiver would send for `packet`, of TCP: it has all before
// `next`, and room for `window` (unscaled) more.
std::string Acknowledge(const Packet& packet, uint32_t next, uint16_t window);

}  // namespace godwit::network
