#include "testbed/framing.h"

#include <cstring>

namespace godwit::testbed {
namespace {

static_assert(kHeader == 10);

Mac ReadMac(std::string_view bytes) {
  Mac mac = 0;
  for (const char byte : bytes.substr(0, 6)) mac = mac << 8 | static_cast<uint8_t>(byte);
  return mac;
}

}  // namespace

OnWire Measure(std::string_view frame) {
  Offload header;
  std::memcpy(&header, frame.data(), kHeader);
  frame.remove_prefix(kHeader);
  OnWire wire{.bytes = frame.size() + kAround};
  const int kind = header.kind & ~kWithEcn;
  if (kind == kWhole || header.segment == 0) return wire;
  size_t headers = header.checksum_start;
  const bool tcp = kind == kTcp4 || kind == kTcp6;
  if (headers + 13 > frame.size()) return wire;
  headers += tcp ? size_t{static_cast<uint8_t>(frame[headers + 12])} / 16 * 4 : 8;
  if (headers >= frame.size()) return wire;
  wire.frames = (frame.size() - headers + header.segment - 1) / header.segment;
  wire.bytes += (wire.frames - 1) * (headers + kAround);
  return wire;
}

Mac Target(std::string_view frame) { return ReadMac(frame.substr(kHeader)); }
Mac Source(std::string_view frame) { return ReadMac(frame.substr(kHeader + 6)); }
bool IsForMany(Mac mac) { return (mac >> 40 & 1) != 0; }

}  // namespace godwit::testbed
