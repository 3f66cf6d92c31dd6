#pragma once

// What a frame that a TAP handed over would be on an Ethernet.
//
// The kernel hands over up to 64 KiB of TCP as one frame with a virtio_net_hdr before it, which
// says into how many it would have been cut (virtio 1.2, 5.1.6). Threads: values. Failure: none; a
// header that makes no sense is taken for that of one frame.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace godwit::testbed {

// The virtio_net_hdr, whose own header no C++ compiler reads.
struct Offload {
  uint8_t flags = 0;
  uint8_t kind = 0;
  uint16_t header_length = 0;   // only a hint
  uint16_t segment = 0;         // payload of each frame
  uint16_t checksum_start = 0;  // where the TCP or UDP header begins
  uint16_t checksum_offset = 0;
};
inline constexpr uint8_t kWhole = 0, kTcp4 = 1, kTcp6 = 4, kWithEcn = 0x80;  // of `kind`

inline constexpr size_t kHeader = sizeof(Offload);
inline constexpr size_t kLeast = kHeader + 14;  // with an Ethernet header
inline constexpr size_t kAround = 24;  // preamble, checksum and gap of each frame (IEEE 802.3)

struct OnWire {
  uint64_t frames = 1;
  uint64_t bytes = 0;
};

// `frame` has at least kLeast bytes.
OnWire Measure(std::string_view frame);

using Mac = uint64_t;
Mac Target(std::string_view frame);
Mac Source(std::string_view frame);
bool IsForMany(Mac mac);

}  // namespace godwit::testbed
