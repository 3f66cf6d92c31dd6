#pragma once

// One end of an established TCP connection, taken down in silence and built again elsewhere or
// later.
//
// The far end never notices: no FIN, no RST, the same sequence numbers. Used for the node's end of
// the connection between a function and its Runtime API, whose other end CRIU keeps in the image.
// Both live in the instance's network namespace. Needs CAP_NET_ADMIN over that namespace. Linux:
// TCP_REPAIR (tcp(7), LWN 495304). Only quiet connections, with empty queues, are saved: the caller
// waits until all that was sent is acknowledged. Threads: any; a socket is used by one at a time.
// Failure: kBusy if data is in flight, kUnsupported if the kernel refuses.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::checkpoint {

struct TcpState {  // of one end; addresses are IPv4 loopback, ports in host order
  uint16_t local_port = 0;
  uint16_t peer_port = 0;
  uint32_t send_sequence = 0;
  uint32_t receive_sequence = 0;
  uint32_t send_scale = 0;     // window scale of the peer, bits
  uint32_t receive_scale = 0;  // ours
  uint32_t mss = 0;            // bytes
  uint32_t timestamp = 0;      // TCP_TIMESTAMP
  bool has_timestamps = false;
  bool has_sack = false;
  uint32_t window_update = 0;  // TCP_REPAIR_WINDOW, as the kernel gave it
  uint32_t send_window = 0;
  uint32_t max_window = 0;
  uint32_t receive_window = 0;
  uint32_t receive_window_update = 0;
  bool operator==(const TcpState&) const = default;
};

// Everything that arrives for the socket from now on is dropped before TCP sees it (a socket
// filter).
Result<> Deafen(int socket);
Result<> Undeafen(int socket);

// Puts the socket into repair mode and reads its state. Left in repair mode, closing it sends
// nothing.
Result<TcpState> SaveTcp(int socket);
// Leaves repair mode without a probe: the connection goes on.
Result<> LeaveRepair(int socket);
// Puts `bytes` into the connection's receive queue, as if they had arrived; as many of them as it
// has room for, for the peer sends the others again.
Result<> PutReceived(int socket, std::string_view bytes);
// Turns `socket`, fresh and made in the right network namespace, into the saved end.
Result<> RebuildTcp(int socket, const TcpState& state);

}  // namespace godwit::checkpoint
