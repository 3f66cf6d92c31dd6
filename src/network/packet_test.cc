#include "network/packet.h"

#include <gtest/gtest.h>

namespace godwit::network {
namespace {

std::span<const uint8_t> View(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// A keep-alive as Linux sent it: 192.0.2.1:1883 to 10.249.0.5:40000, with time stamps.
std::string Probe() {
  static constexpr unsigned char kBytes[] = {
      0x45, 0x00, 0x00, 0x34, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00, 0xc0,
      0x00, 0x02, 0x01, 0x0a, 0xf9, 0x00, 0x05, 0x07, 0x5b, 0x9c, 0x40, 0x00, 0x00,
      0x03, 0xe7, 0x00, 0x00, 0x07, 0xd0, 0x80, 0x10, 0x01, 0xf5, 0x00, 0x00, 0x00,
      0x00, 0x01, 0x01, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x11, 0x00, 0x00, 0x00, 0x22};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

// Over the header, with its own checksum in it, a right one adds up to this (RFC 1071).
uint32_t Total(const std::string& bytes, size_t from, size_t end, uint32_t sum = 0) {
  for (size_t at = from; at + 1 < end; at += 2)
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[at])) << 8 |
           static_cast<uint8_t>(bytes[at + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

TEST(Packet, TcpIsRead) {
  const auto packet = ReadPacket(View(Probe()));
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->from.ToString(), "192.0.2.1");
  EXPECT_EQ(packet->to.ToString(), "10.249.0.5");
  EXPECT_EQ(packet->from_port, 1883);
  EXPECT_EQ(packet->to_port, 40000);
  EXPECT_EQ(packet->sequence, 999u);
  EXPECT_EQ(packet->acknowledged, 2000u);
  EXPECT_EQ(packet->payload, 0u);
  EXPECT_FALSE(packet->syn || packet->fin || packet->rst);
  EXPECT_EQ(packet->stamps, std::pair(0x11u, 0x22u));
}

TEST(Packet, AnAnswerGoesBackWithRightChecksums) {
  const auto packet = ReadPacket(View(Probe()));
  const std::string answer = Acknowledge(*packet, 1000, 501);
  const auto back = ReadPacket(View(answer));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->from.ToString(), "10.249.0.5");
  EXPECT_EQ(back->to.ToString(), "192.0.2.1");
  EXPECT_EQ(back->from_port, 40000);
  EXPECT_EQ(back->to_port, 1883);
  EXPECT_EQ(back->sequence, 2000u);
  EXPECT_EQ(back->acknowledged, 1000u);
  EXPECT_EQ(back->stamps, std::pair(0x22u, 0x11u));
  EXPECT_EQ(back->payload, 0u);
  EXPECT_EQ(Total(answer, 0, 20), 0xffffu);
  EXPECT_EQ(Total(answer, 20, answer.size(),
                  Total(answer, 12, 20) + 6 + static_cast<uint32_t>(answer.size() - 20)),
            0xffffu);
}

TEST(Packet, EachShorterOneIsNone) {
  const std::string whole = Probe();
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(ReadPacket(View(whole.substr(0, length)))) << length;
}

TEST(Packet, LaterFragmentsHaveNoPorts) {
  std::string bytes = Probe();
  bytes[7] = 5;
  const auto packet = ReadPacket(View(bytes));
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->later_fragment);
  EXPECT_EQ(packet->to_port, 0);
}

}  // namespace
}  // namespace godwit::network
