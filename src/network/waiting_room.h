#pragma once

// Where packets wait for instances that are put away, and who is to be called for which.
//
// While an instance is away its packets come here. Those for a socket of it are kept, to be handed
// over when it is back; the first that it has to see rings for it; a peer that only asks whether it
// is still there (keep-alive, a packet sent again) is answered in its place; the rest is dropped,
// as TCP allows: whoever sent it sends it again. Threads: the loop. Failure: beyond kMostHeld bytes
// an instance's packets are dropped.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "network/packet.h"

namespace godwit::network {

// A socket of an instance, as one who is at its door has to know it.
struct Ear {
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;
  Address peer;  // none: anybody
  uint16_t peer_port = 0;
  uint32_t next = 0;    // of a TCP connection: the sequence number that it waits for
  uint16_t window = 0;  // and what it said last of its room, unscaled
  bool operator==(const Ear&) const = default;
};

class WaitingRoom {
 public:
  static constexpr size_t kMostHeld = 256 << 10;  // bytes for one instance

  // From now on its packets are kept, whatever they are.
  void Open(Address address);
  // These are its sockets; `address` has been opened. True if something for one is here already.
  bool Expect(Address address, std::vector<Ear> ears);
  // It is back, or gone: what was kept for it, in the order in which it came.
  std::vector<std::string> Close(Address address);
  bool HasRung(Address address) const;
  bool Knows(Address address) const { return guests_.contains(address); }

  struct Word {
    std::optional<Packet> ring;         // its receiver is to be brought back
    std::optional<std::string> answer;  // to be sent in its receiver's place
  };
  // A packet has come.
  Word Arrive(std::string bytes);

 private:
  struct Guest {
    std::optional<std::vector<Ear>> ears;  // nothing: everything is kept, and nobody called
    std::vector<std::string> held;
    size_t held_bytes = 0;
    bool rung = false;
  };
  static Word Judge(Guest& guest, const Packet& packet, std::string bytes);

  std::map<Address, Guest> guests_;
};

}  // namespace godwit::network
