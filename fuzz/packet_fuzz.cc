// Packets from anywhere, at the door of somebody who is away.
#include <cstddef>
#include <cstdint>
#include <string>

#include "network/waiting_room.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace godwit::network;
  const auto packet = ReadPacket({data, size});
  if (!packet) return 0;
  const Ear connection{Protocol::kTcp, packet->to_port, packet->from, packet->from_port, 1000, 501};
  WaitingRoom room;
  room.Open(packet->to);
  room.Arrive(std::string(reinterpret_cast<const char*>(data), size));
  room.Expect(packet->to, {connection, {Protocol::kUdp, packet->to_port, {}, 0, 0, 0}});
  const auto word = room.Arrive(std::string(reinterpret_cast<const char*>(data), size));
  // What is said in its place is a packet, and goes back to where this one came from.
  if (word.answer) {
    const auto back =
        ReadPacket({reinterpret_cast<const uint8_t*>(word.answer->data()), word.answer->size()});
    if (!back || back->to != packet->from || back->payload != 0) __builtin_trap();
  }
  return 0;
}
