#include "testbed/framing.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>

namespace godwit::testbed {
namespace {

// Ethernet, IPv4 and TCP with 12 bytes of options: 14 + 20 + 32 bytes of headers.
std::string Segments(size_t payload, uint16_t each, uint8_t kind) {
  const Offload header = {.flags = 1, .kind = kind, .segment = each, .checksum_start = 34};
  std::string frame(kHeader + 66 + payload, '\0');
  std::memcpy(frame.data(), &header, kHeader);
  frame[kHeader + 34 + 12] = static_cast<char>(0x80);
  return frame;
}

TEST(FramingTest, AFrameIsAFrame) {
  const OnWire wire = Measure(Segments(100, 0, kWhole));
  EXPECT_EQ(wire.frames, 1u);
  EXPECT_EQ(wire.bytes, 66 + 100 + kAround);
}

TEST(FramingTest, ALargeOneCountsAsTheManyThatItStandsFor) {
  const OnWire wire = Measure(Segments(3 * 1448 + 1, 1448, kTcp4));
  EXPECT_EQ(wire.frames, 4u);
  EXPECT_EQ(wire.bytes, 3 * 1448 + 1 + 4 * (66 + kAround));
  const OnWire marked = Measure(Segments(1448, 1448, kTcp6 | kWithEcn));
  EXPECT_EQ(marked.frames, 1u);
}

TEST(FramingTest, AHeaderThatLiesIsThatOfOneFrame) {
  std::string frame = Segments(10, 1, kTcp4).substr(0, kLeast);
  EXPECT_EQ(Measure(frame).frames, 1u);
  frame = Segments(0, 1, kTcp4);
  frame[kHeader + 34 + 12] = static_cast<char>(0xf0);
  EXPECT_EQ(Measure(frame).frames, 1u);
}

TEST(FramingTest, Addresses) {
  std::string frame(kLeast, '\0');
  std::memcpy(frame.data() + kHeader, "\x02\x01\x02\x03\x04\x05\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_EQ(Target(frame), 0x020102030405u);
  EXPECT_FALSE(IsForMany(Target(frame)));
  EXPECT_TRUE(IsForMany(Source(frame)));
}

}  // namespace
}  // namespace godwit::testbed
