#include "network/waiting_room.h"

#include <algorithm>

namespace godwit::network {
namespace {

bool IsFor(const Ear& ear, const Packet& packet) {
  return packet.protocol == static_cast<uint8_t>(ear.protocol) && packet.to_port == ear.port &&
         (!ear.peer || ear.peer == packet.from) &&
         (ear.peer_port == 0 || ear.peer_port == packet.from_port);
}

// Whether `a` comes before `b` in sequence space (RFC 9293, 3.4).
bool Before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

// Everything in it was acknowledged before.
bool IsOld(const Packet& packet, const Ear& ear) {
  return Before(packet.sequence, ear.next) &&
         !Before(ear.next, packet.sequence + packet.payload + (packet.fin ? 1 : 0));
}

std::span<const uint8_t> View(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

void WaitingRoom::Open(Address address) { guests_[address] = {}; }

bool WaitingRoom::Expect(Address address, std::vector<Ear> ears) {
  Guest& guest = guests_[address];
  guest.ears = std::move(ears);
  std::vector<std::string> come = std::exchange(guest.held, {});
  guest.held_bytes = 0;
  for (auto& bytes : come) {
    const auto packet = ReadPacket(View(bytes));
    // A peer that asks will ask again: he is answered then.
    if (packet) static_cast<void>(Judge(guest, *packet, std::move(bytes)));
  }
  return guest.rung;
}

std::vector<std::string> WaitingRoom::Close(Address address) {
  const auto found = guests_.find(address);
  if (found == guests_.end()) return {};
  std::vector<std::string> held = std::move(found->second.held);
  guests_.erase(found);
  return held;
}

bool WaitingRoom::HasRung(Address address) const {
  const auto found = guests_.find(address);
  return found != guests_.end() && found->second.rung;
}

WaitingRoom::Word WaitingRoom::Arrive(std::string bytes) {
  const auto packet = ReadPacket(View(bytes));
  const auto found = packet ? guests_.find(packet->to) : guests_.end();
  if (found == guests_.end()) return {};
  return Judge(found->second, *packet, std::move(bytes));
}

WaitingRoom::Word WaitingRoom::Judge(Guest& guest, const Packet& packet, std::string bytes) {
  Word word;
  bool wakes = false;
  bool keep = !guest.ears || packet.later_fragment;
  if (guest.ears && !keep) {
    // The connection that it belongs to, else whoever listens.
    const Ear* ear = nullptr;
    for (const Ear& one : *guest.ears) {
      if (IsFor(one, packet) && (ear == nullptr || one.peer)) ear = &one;
    }
    if (ear == nullptr) return word;
    if (packet.protocol == static_cast<uint8_t>(Protocol::kUdp)) {
      wakes = true;
    } else if (!ear->peer) {
      wakes = packet.syn && !packet.rst;
    } else if (packet.rst) {
      wakes = true;
    } else if (IsOld(packet, *ear)) {
      word.answer = Acknowledge(packet, ear->next, ear->window);
    } else if (!packet.syn && packet.payload == 0 && !packet.fin &&
               packet.sequence + 1 == ear->next) {
      word.answer = Acknowledge(packet, ear->next, ear->window);
    } else {
      wakes = packet.payload > 0 || packet.fin;
    }
    keep = wakes;
  }
  if (!keep || guest.held_bytes + bytes.size() > kMostHeld) return word;
  guest.held_bytes += bytes.size();
  guest.held.push_back(std::move(bytes));
  if (wakes && !std::exchange(guest.rung, true)) word.ring = packet;
  return word;
}

}  // namespace godwit::network
