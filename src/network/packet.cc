#include "network/packet.h"

#include <algorithm>

namespace godwit::network {
namespace {

constexpr size_t kIpHeader = 20;
constexpr size_t kTcpHeader = 20;
constexpr size_t kUdpHeader = 8;
constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;
constexpr uint8_t kEndOfOptions = 0, kNoOption = 1, kTimestamps = 8;

uint16_t Get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t Get32(std::span<const uint8_t> bytes, size_t at) {
  return uint32_t{Get16(bytes, at)} << 16 | Get16(bytes, at + 2);
}

void Put16(std::string& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value);
}
void Put32(std::string& bytes, size_t at, uint32_t value) {
  Put16(bytes, at, value >> 16);
  Put16(bytes, at + 2, value & 0xffff);
}

// The Internet checksum (RFC 1071) of bytes [from, end).
uint32_t Sum(const std::string& bytes, size_t from, size_t end) {
  uint32_t sum = 0;
  for (size_t at = from; at < end; ++at) {
    const uint32_t byte = static_cast<uint8_t>(bytes[at]);
    sum += (at - from) % 2 == 0 ? byte << 8 : byte;
  }
  return sum;
}
uint32_t Fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

// `options` are those of a TCP header: kind, length, value.
std::optional<std::pair<uint32_t, uint32_t>> Stamps(std::span<const uint8_t> options) {
  while (!options.empty() && options[0] != kEndOfOptions) {
    if (options[0] == kNoOption) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return {};
    if (options[0] == kTimestamps && options[1] == 10)
      return std::pair(Get32(options, 2), Get32(options, 6));
    options = options.subspan(options[1]);
  }
  return {};
}

}  // namespace

std::optional<Packet> ReadPacket(std::span<const uint8_t> bytes) {
  if (bytes.size() < kIpHeader || bytes[0] >> 4 != 4) return {};
  const size_t header = (size_t{bytes[0]} & 15) * 4;
  const size_t total = Get16(bytes, 2);
  if (header < kIpHeader || total < header || total > bytes.size()) return {};
  Packet packet;
  packet.protocol = bytes[9];
  packet.from.bits = Get32(bytes, 12);
  packet.to.bits = Get32(bytes, 16);
  packet.later_fragment = (Get16(bytes, 6) & 0x1fff) != 0;
  if (packet.later_fragment) return packet;
  const auto inner = bytes.subspan(header, total - header);
  if (packet.protocol == static_cast<uint8_t>(Protocol::kUdp)) {
    if (inner.size() < kUdpHeader) return {};
    packet.from_port = Get16(inner, 0);
    packet.to_port = Get16(inner, 2);
  } else if (packet.protocol == static_cast<uint8_t>(Protocol::kTcp)) {
    if (inner.size() < kTcpHeader) return {};
    const size_t length = (size_t{inner[12]} >> 4) * 4;
    if (length < kTcpHeader || length > inner.size()) return {};
    packet.from_port = Get16(inner, 0);
    packet.to_port = Get16(inner, 2);
    packet.sequence = Get32(inner, 4);
    packet.acknowledged = Get32(inner, 8);
    packet.fin = (inner[13] & kFin) != 0;
    packet.syn = (inner[13] & kSyn) != 0;
    packet.rst = (inner[13] & kRst) != 0;
    packet.payload = static_cast<uint32_t>(inner.size() - length);
    packet.stamps = Stamps(inner.subspan(kTcpHeader, length - kTcpHeader));
  }
  return packet;
}

std::string Acknowledge(const Packet& packet, uint32_t next, uint16_t window) {
  const size_t options = packet.stamps ? 12 : 0;
  std::string answer(kIpHeader + kTcpHeader + options, '\0');
  answer[0] = 0x45;
  Put16(answer, 2, static_cast<uint32_t>(answer.size()));
  Put16(answer, 6, 0x4000);  // not to be cut
  answer[8] = 64;            // hops
  answer[9] = static_cast<char>(Protocol::kTcp);
  Put32(answer, 12, packet.to.bits);
  Put32(answer, 16, packet.from.bits);
  Put16(answer, 10, Fold(Sum(answer, 0, kIpHeader)));
  Put16(answer, 20, packet.to_port);
  Put16(answer, 22, packet.from_port);
  Put32(answer, 24, packet.acknowledged);
  Put32(answer, 28, next);
  answer[32] = static_cast<char>((kTcpHeader + options) / 4 << 4);
  answer[33] = static_cast<char>(kAck);
  Put16(answer, 34, window);
  if (packet.stamps) {
    answer[40] = answer[41] = static_cast<char>(kNoOption);
    answer[42] = static_cast<char>(kTimestamps);
    answer[43] = 10;
    // Time stands still for who is away: what he stamped last is what the peer has seen of him.
    Put32(answer, 44, packet.stamps->second);
    Put32(answer, 48, packet.stamps->first);
  }
  const uint32_t pseudo = Sum(answer, 12, 20) + static_cast<uint32_t>(Protocol::kTcp) +
                          static_cast<uint32_t>(answer.size() - kIpHeader);
  Put16(answer, 36, Fold(Sum(answer, kIpHeader, answer.size()) + pseudo));
  return answer;
}

}  // namespace godwit::network
