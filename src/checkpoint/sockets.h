#pragma once

// The sockets of the internet that an image holds, for whoever listens in their place.
//
// Sockets of the loopback are left out: nobody outside speaks to them. Threads: the pool. Failure:
// kCorrupt for an image that cannot be read. Source: CRIU's sk-inet and tcp-stream images
// (criu.org/Images).
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace godwit::checkpoint {

struct SocketInImage {
  bool datagrams = false;       // UDP, else TCP
  uint16_t port = 0;            // its own
  uint32_t peer = 0;            // IPv4 in the order of this machine; 0: anybody
  uint16_t peer_port = 0;       // 0: any
  uint32_t next = 0;            // TCP: the sequence number that it waits for
  uint16_t window = 0;          // TCP: as it was announced last, unscaled
  uint32_t unacknowledged = 0;  // TCP: bytes sent that its peer may not have
};

Result<std::vector<SocketInImage>> ReadSockets(const std::string& images);

// What a connection of the loopback has sent and nobody has acknowledged.
struct Unacknowledged {
  uint32_t sequence = 0;  // of the first byte
  std::string bytes;
};
// Of those to `port` that have any, by their own port.
Result<std::map<uint16_t, Unacknowledged>> ReadUnacknowledged(const std::string& images,
                                                              uint16_t port);

// Ports of `pid`'s network namespace at which datagrams wait that nobody has read: CRIU drops them.
std::vector<uint16_t> UnreadDatagrams(int pid);

// Ports of peers to which a TCP connection is being made there. Whoever is put away meanwhile does
// not hear the answer, and nobody asks in its place.
std::vector<uint16_t> Connecting(int pid);

}  // namespace godwit::checkpoint
