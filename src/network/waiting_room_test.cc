#include "network/waiting_room.h"

#include <gtest/gtest.h>

namespace godwit::network {
namespace {

constexpr Address kAway{10U << 24 | 249U << 16 | 5};
constexpr Address kPeer{192U << 24 | 2U << 8 | 1};
constexpr uint16_t kPort = 40000, kPeerPort = 1883;
constexpr uint32_t kNext = 1000;
constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

struct Wanted {
  uint8_t flags = kAck;
  uint32_t sequence = kNext;
  size_t payload = 0;
  uint16_t port = kPort;
  uint16_t peer_port = kPeerPort;
};

std::string Tcp(Wanted wanted) {
  std::string bytes(40 + wanted.payload, 'x');
  std::fill_n(bytes.begin(), 40, '\0');
  const auto put = [&](size_t at, uint32_t value, int octets) {
    for (int i = 0; i < octets; ++i)
      bytes[at + static_cast<size_t>(i)] = static_cast<char>(value >> 8 * (octets - 1 - i));
  };
  put(0, 0x45, 1);
  put(2, static_cast<uint32_t>(bytes.size()), 2);
  put(9, 6, 1);
  put(12, kPeer.bits, 4);
  put(16, kAway.bits, 4);
  put(20, wanted.peer_port, 2);
  put(22, wanted.port, 2);
  put(24, wanted.sequence, 4);
  put(32, 0x50, 1);
  put(33, wanted.flags, 1);
  return bytes;
}

std::string Udp(uint16_t port) {
  std::string bytes = Tcp({.port = port});
  bytes[9] = 17;
  return bytes;
}

const Ear kConnection{Protocol::kTcp, kPort, kPeer, kPeerPort, kNext, 501};
const Ear kListener{Protocol::kTcp, 80, {}, 0, 0, 0};
const Ear kDatagrams{Protocol::kUdp, 53, {}, 0, 0, 0};

class Away : public testing::Test {
 protected:
  void SetUp() override {
    room.Open(kAway);
    EXPECT_FALSE(room.Expect(kAway, {kListener, kConnection, kDatagrams}));
  }
  WaitingRoom room;
};

TEST_F(Away, DataRingsOnceAndIsAllKept) {
  const auto first = room.Arrive(Tcp({.payload = 10}));
  ASSERT_TRUE(first.ring);
  EXPECT_EQ(first.ring->from, kPeer);
  EXPECT_FALSE(first.answer);
  EXPECT_FALSE(room.Arrive(Tcp({.sequence = kNext + 10, .payload = 5})).ring);
  EXPECT_TRUE(room.HasRung(kAway));
  const auto held = room.Close(kAway);
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0], Tcp({.payload = 10}));
  EXPECT_FALSE(room.HasRung(kAway));
}

TEST_F(Away, TheEndOfAConnectionRings) {
  EXPECT_TRUE(room.Arrive(Tcp({.flags = kFin | kAck})).ring);
}
TEST_F(Away, AResetRings) { EXPECT_TRUE(room.Arrive(Tcp({.flags = kRst})).ring); }
TEST_F(Away, ADatagramRings) { EXPECT_TRUE(room.Arrive(Udp(53)).ring); }

TEST_F(Away, KeepAlivesAreAnswered) {
  for (const size_t garbage : {0u, 1u}) {
    const auto word = room.Arrive(Tcp({.sequence = kNext - 1, .payload = garbage}));
    EXPECT_FALSE(word.ring);
    ASSERT_TRUE(word.answer);
  }
  EXPECT_TRUE(room.Close(kAway).empty());
}

TEST_F(Away, WhatIsSentAgainIsAcknowledgedAgain) {
  const auto word = room.Arrive(Tcp({.sequence = kNext - 100, .payload = 100}));
  EXPECT_FALSE(word.ring);
  EXPECT_TRUE(word.answer);
}

TEST_F(Away, WhatIsPartlyNewRings) {
  EXPECT_TRUE(room.Arrive(Tcp({.sequence = kNext - 100, .payload = 101})).ring);
}

TEST_F(Away, ABareAcknowledgementIsNothing) {
  const auto word = room.Arrive(Tcp({}));
  EXPECT_FALSE(word.ring || word.answer);
  EXPECT_TRUE(room.Close(kAway).empty());
}

TEST_F(Away, OnlyANewConnectionRingsAtAListener) {
  EXPECT_FALSE(room.Arrive(Tcp({.payload = 3, .port = 80})).ring);
  EXPECT_TRUE(room.Arrive(Tcp({.flags = kSyn, .port = 80})).ring);
}

TEST_F(Away, StrangersAreNotHeard) {
  EXPECT_FALSE(room.Arrive(Tcp({.payload = 3, .peer_port = 99})).ring);
  EXPECT_FALSE(room.Arrive(Tcp({.payload = 3, .port = 41})).ring);
  EXPECT_FALSE(room.Arrive(Udp(54)).ring);
  EXPECT_FALSE(room.Arrive("nonsense").ring);
  EXPECT_TRUE(room.Close(kAway).empty());
}

TEST(WaitingRoom, WhatCameBeforeTheSocketsAreKnownRingsThen) {
  WaitingRoom room;
  room.Open(kAway);
  EXPECT_FALSE(room.Arrive(Tcp({})).ring);
  EXPECT_FALSE(room.Arrive(Tcp({.payload = 7})).ring);
  EXPECT_TRUE(room.Expect(kAway, {kConnection}));
  EXPECT_EQ(room.Close(kAway).size(), 1u);
}

TEST(WaitingRoom, WhoIsThereIsNotWaitedFor) {
  WaitingRoom room;
  EXPECT_FALSE(room.Arrive(Tcp({.payload = 7})).ring);
  EXPECT_TRUE(room.Close(kAway).empty());
}

TEST_F(Away, TooMuchIsDroppedAndTheRestKept) {
  uint32_t sequence = kNext;
  for (size_t sent = 0; sent < 2 * WaitingRoom::kMostHeld; sent += 1400, sequence += 1400)
    room.Arrive(Tcp({.sequence = sequence, .payload = 1400}));
  size_t held = 0;
  for (const auto& packet : room.Close(kAway)) held += packet.size();
  EXPECT_LE(held, WaitingRoom::kMostHeld);
  EXPECT_GT(held, WaitingRoom::kMostHeld - 2000);
}

TEST_F(Away, SequenceNumbersGoRound) {
  room.Open(kAway);
  Ear ear = kConnection;
  ear.next = 5;
  room.Expect(kAway, {ear});
  EXPECT_TRUE(room.Arrive(Tcp({.sequence = 0xfffffff0, .payload = 21})).answer);
  EXPECT_TRUE(room.Arrive(Tcp({.sequence = 0xfffffff0, .payload = 22})).ring);
}

}  // namespace
}  // namespace godwit::network
