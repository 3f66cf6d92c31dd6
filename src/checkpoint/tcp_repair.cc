#include "checkpoint/tcp_repair.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr size_t kPiece = 32 << 10;  // bytes
constexpr int kRepairOn = 1;
constexpr int kRepairOffSilently = -1;  // TCP_REPAIR_OFF_NO_WP: without a window probe
constexpr int kNoQueue = 0;
constexpr int kReceiveQueue = 1;
constexpr int kSendQueue = 2;
constexpr uint32_t kOptionTimestamps = 1;   // TCPI_OPT_TIMESTAMPS
constexpr uint32_t kOptionSack = 2;         // TCPI_OPT_SACK
constexpr uint32_t kOptionWindowScale = 4;  // TCPI_OPT_WSCALE
constexpr uint32_t kTcpoptMss = 2, kTcpoptWindow = 3, kTcpoptSack = 4, kTcpoptTimestamp = 8;

template <typename T>
Result<> Set(int socket, int option, const T& value, const char* doing) {
  if (::setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value) != 0) {
    return FailErrno(errno, "cannot {} of a TCP connection", doing);
  }
  return {};
}

template <typename T>
Result<T> Get(int socket, int option, const char* doing) {
  T value{};
  socklen_t size = sizeof value;
  if (::getsockopt(socket, IPPROTO_TCP, option, &value, &size) != 0) {
    return FailErrno(errno, "cannot {} of a TCP connection", doing);
  }
  return value;
}

Result<uint32_t> SequenceOf(int socket, int queue) {
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, queue, "choose a queue"));
  return Get<uint32_t>(socket, TCP_QUEUE_SEQ, "read a sequence number");
}

Result<> SetSequence(int socket, int queue, uint32_t sequence) {
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, queue, "choose a queue"));
  return Set(socket, TCP_QUEUE_SEQ, sequence, "set a sequence number");
}

Result<uint16_t> PortOf(int socket, bool peer) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if ((peer ? ::getpeername(socket, raw, &size) : ::getsockname(socket, raw, &size)) != 0) {
    return FailErrno(errno, "cannot read the port of a TCP connection");
  }
  return ntohs(address.sin_port);
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Result<> Deafen(int socket) {
  sock_filter drop = {BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program = {1, &drop};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return FailErrno(errno, "cannot deafen a TCP connection");
  }
  return {};
}

Result<> Undeafen(int socket) {
  const int unused = 0;
  if (::setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0 &&
      errno != ENOENT) {
    return FailErrno(errno, "cannot listen to a TCP connection again");
  }
  return {};
}

Result<TcpState> SaveTcp(int socket) {
  int unread = 0;
  int unacknowledged = 0;
  if (::ioctl(socket, SIOCINQ, &unread) != 0 || ::ioctl(socket, SIOCOUTQ, &unacknowledged) != 0) {
    return FailErrno(errno, "cannot look at the queues of a TCP connection");
  }
  if (unread != 0 || unacknowledged != 0)
    return Fail(Code::kBusy, "data is in flight on a TCP connection");
  TcpState state;
  GODWIT_TRY(state.local_port, PortOf(socket, false));
  GODWIT_TRY(state.peer_port, PortOf(socket, true));
  GODWIT_TRY(Set(socket, TCP_REPAIR, kRepairOn, "enter repair"));
  GODWIT_TRY(state.send_sequence, SequenceOf(socket, kSendQueue));
  GODWIT_TRY(state.receive_sequence, SequenceOf(socket, kReceiveQueue));
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, kNoQueue, "choose a queue"));
  GODWIT_TRY(const tcp_info info, Get<tcp_info>(socket, TCP_INFO, "read the options"));
  GODWIT_TRY(const int mss, Get<int>(socket, TCP_MAXSEG, "read the segment size"));
  GODWIT_TRY(state.timestamp, Get<uint32_t>(socket, TCP_TIMESTAMP, "read the timestamp"));
  GODWIT_TRY(const tcp_repair_window window,
             Get<tcp_repair_window>(socket, TCP_REPAIR_WINDOW, "read the window"));
  state.mss = static_cast<uint32_t>(mss);
  if ((info.tcpi_options & kOptionWindowScale) != 0) {
    state.send_scale = info.tcpi_snd_wscale;
    state.receive_scale = info.tcpi_rcv_wscale;
  }
  state.has_timestamps = (info.tcpi_options & kOptionTimestamps) != 0;
  state.has_sack = (info.tcpi_options & kOptionSack) != 0;
  state.window_update = window.snd_wl1;
  state.send_window = window.snd_wnd;
  state.max_window = window.max_window;
  state.receive_window = window.rcv_wnd;
  state.receive_window_update = window.rcv_wup;
  return state;
}

Result<> LeaveRepair(int socket) {
  return Set(socket, TCP_REPAIR, kRepairOffSilently, "leave repair");
}

Result<> RebuildTcp(int socket, const TcpState& state) {
  GODWIT_TRY(Set(socket, TCP_REPAIR, kRepairOn, "enter repair"));
  GODWIT_TRY(SetSequence(socket, kSendQueue, state.send_sequence));
  GODWIT_TRY(SetSequence(socket, kReceiveQueue, state.receive_sequence));
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, kNoQueue, "choose a queue"));
  const sockaddr_in ours = Loopback(state.local_port);
  const sockaddr_in theirs = Loopback(state.peer_port);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&ours), sizeof ours) != 0 ||
      ::connect(socket, reinterpret_cast<const sockaddr*>(&theirs), sizeof theirs) != 0) {
    return FailErrno(errno, "cannot rebuild a TCP connection from port {} to {}", state.local_port,
                     state.peer_port);
  }
  std::array<tcp_repair_opt, 4> options{};
  size_t count = 0;
  options[count++] = {kTcpoptMss, state.mss};
  if (state.send_scale != 0 || state.receive_scale != 0) {
    options[count++] = {kTcpoptWindow, state.send_scale | (state.receive_scale << 16)};
  }
  if (state.has_sack) options[count++] = {kTcpoptSack, 0};
  if (state.has_timestamps) options[count++] = {kTcpoptTimestamp, 0};
  if (::setsockopt(socket, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options.data(),
                   static_cast<socklen_t>(count * sizeof options[0])) != 0) {
    return FailErrno(errno, "cannot set the options of a TCP connection");
  }
  if (state.has_timestamps)
    GODWIT_TRY(Set(socket, TCP_TIMESTAMP, state.timestamp, "set the timestamp"));
  const tcp_repair_window window = {state.window_update, state.send_window, state.max_window,
                                    state.receive_window, state.receive_window_update};
  GODWIT_TRY(Set(socket, TCP_REPAIR_WINDOW, window, "set the window"));
  return LeaveRepair(socket);
}

Result<> PutReceived(int socket, std::string_view bytes) {
  GODWIT_TRY(Set(socket, TCP_REPAIR, kRepairOn, "enter repair"));
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, kReceiveQueue, "choose a queue"));
  while (!bytes.empty()) {
    const ssize_t put = ::send(socket, bytes.data(), std::min(bytes.size(), kPiece), MSG_DONTWAIT);
    if (put <= 0) break;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  GODWIT_TRY(Set(socket, TCP_REPAIR_QUEUE, kNoQueue, "choose a queue"));
  return LeaveRepair(socket);
}

}  // namespace godwit::checkpoint
