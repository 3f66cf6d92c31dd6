#include "checkpoint/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"

namespace godwit::checkpoint {
namespace {

constexpr int kInetSocket = 4;  // of File::type
constexpr uint32_t kListening = 10, kClosed = 7, kConnecting = 2;
constexpr uint32_t kLoopback = 127;
constexpr size_t kQueues = 64 << 20;  // bytes of a connection's image
constexpr size_t kTable = 4 << 20;    // bytes of a table in /proc/PID/net

// IPv4, also as IPv6 maps it (RFC 4291, 2.5.5.2); nothing for other addresses.
template <typename Words>
std::optional<uint32_t> Ipv4(uint32_t family, const Words& words) {
  if (family == AF_INET && words.size() >= 1) return ntohl(words[0]);
  if (family != AF_INET6 || words.size() < 4) return {};
  const bool any = words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == 0;
  if (any) return 0;
  const bool mapped = words[0] == 0 && words[1] == 0 && ntohl(words[2]) == 0xffff;
  return mapped ? std::optional(ntohl(words[3])) : std::nullopt;
}

// An entry, and then the bytes of both queues as they are.
struct Stream {
  image::TcpStream entry;
  std::string sent;  // and not acknowledged
};

Result<std::optional<Stream>> ReadStream(const std::string& images, uint32_t inode) {
  const std::string path = fmt::format("{}/tcp-stream-{:x}.img", images, inode);
  if (!std::filesystem::exists(path)) return std::nullopt;
  GODWIT_TRY(const Fd fd, Open(path, O_RDONLY));
  GODWIT_TRY(const std::string bytes, ReadAll(fd.get(), kQueues).Within("cannot read '{}'", path));
  GODWIT_TRY(const size_t end, EndOfFirstEntry(path, bytes));
  GODWIT_TRY(const ImageFile file, ParseImageFile(path, std::string_view(bytes).substr(0, end)));
  Stream stream;
  GODWIT_TRY(stream.entry, ParseEntry<image::TcpStream>(path, file.entries.front()));
  const uint64_t received = end + uint64_t{stream.entry.inq_len()};
  if (bytes.size() < received + stream.entry.outq_len())
    return Fail(Code::kCorrupt, "'{}' ends in the middle of a queue", path);
  stream.sent = bytes.substr(received, stream.entry.outq_len());
  return stream;
}

bool IsLoopback(uint32_t address) { return address >> 24 == kLoopback; }

// Calls `each` with every socket of IPv4, its own address and its peer's.
Result<> ForSockets(
    const std::string& images,
    const std::function<Result<>(const image::InetSocket&, uint32_t, uint32_t)>& each) {
  const std::string path = images + "/files.img";
  if (!std::filesystem::exists(path)) return {};
  GODWIT_TRY(const ImageFile file, ReadImageFile(path));
  for (const auto& bytes : file.entries) {
    GODWIT_TRY(const auto entry, ParseEntry<image::File>(path, bytes));
    if (entry.type() != kInetSocket || !entry.has_isk()) continue;
    const auto& isk = entry.isk();
    const auto own = Ipv4(isk.family(), isk.src_addr());
    const auto peer = Ipv4(isk.family(), isk.dst_addr());
    if (own && peer) GODWIT_TRY(each(isk, *own, *peer));
  }
  return {};
}

// A line of a table in /proc/PID/net: "sl local:port remote:port state tx:rx ..." (proc(5)).
struct Row {
  std::string number, local, remote, state, queues;
};

void ForRows(int pid, std::initializer_list<const char*> tables,
             const std::function<void(const Row&)>& each) {
  for (const auto* table : tables) {
    const auto file = Open(fmt::format("/proc/{}/net/{}", pid, table), O_RDONLY);
    if (!file) continue;
    const auto text = ReadAll(file->get(), kTable);
    if (!text) continue;
    std::istringstream lines(*text);
    std::string line;
    std::getline(lines, line);  // the heading
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      Row row;
      fields >> row.number >> row.local >> row.remote >> row.state >> row.queues;
      if (fields) each(row);
    }
  }
}

uint16_t PortOf(std::string_view address) {
  uint16_t port = 0;
  const size_t at = address.rfind(':') + 1;
  std::from_chars(address.data() + at, address.data() + address.size(), port, 16);
  return port;
}

}  // namespace

Result<std::vector<SocketInImage>> ReadSockets(const std::string& images) {
  std::vector<SocketInImage> sockets;
  GODWIT_TRY(ForSockets(
      images, [&](const image::InetSocket& isk, uint32_t own, uint32_t peer) -> Result<> {
        const bool datagrams = isk.proto() == IPPROTO_UDP;
        if (IsLoopback(own) || isk.src_port() == 0) return {};
        if (!datagrams && (isk.proto() != IPPROTO_TCP || isk.state() == kClosed)) return {};
        if (!datagrams && isk.state() == kConnecting) {
          return Fail(Code::kUnsupported,
                      "a connection to port {} is being made, and its answer would not be heard",
                      isk.dst_port());
        }
        SocketInImage socket;
        socket.datagrams = datagrams;
        socket.port = static_cast<uint16_t>(isk.src_port());
        if (isk.state() != kListening) {
          socket.peer = peer;
          socket.peer_port = static_cast<uint16_t>(isk.dst_port());
        }
        std::optional<Stream> stream;
        if (!datagrams) {
          GODWIT_TRY(stream, ReadStream(images, isk.ino()));
        }
        if (stream) {
          socket.next = stream->entry.inq_seq();
          socket.unacknowledged = stream->entry.outq_len();
          const uint32_t scale = std::min(stream->entry.rcv_wscale(), 14U);
          socket.window =
              static_cast<uint16_t>(std::min(stream->entry.rcv_wnd() >> scale, 0xffffU));
        }
        sockets.push_back(socket);
        return {};
      }));
  return sockets;
}

Result<std::map<uint16_t, Unacknowledged>> ReadUnacknowledged(const std::string& images,
                                                              uint16_t port) {
  std::map<uint16_t, Unacknowledged> found;
  GODWIT_TRY(ForSockets(
      images, [&](const image::InetSocket& isk, uint32_t own, uint32_t peer) -> Result<> {
        if (isk.proto() != IPPROTO_TCP || !IsLoopback(own) || !IsLoopback(peer) ||
            isk.dst_port() != port) {
          return {};
        }
        GODWIT_TRY(auto stream, ReadStream(images, isk.ino()));
        if (!stream || stream->sent.empty()) return {};
        found[static_cast<uint16_t>(isk.src_port())] = {
            stream->entry.outq_seq() - stream->entry.outq_len(), std::move(stream->sent)};
        return {};
      }));
  return found;
}

std::vector<uint16_t> UnreadDatagrams(int pid) {
  std::vector<uint16_t> ports;
  ForRows(pid, {"udp", "udp6"}, [&](const Row& row) {
    const size_t colon = row.queues.find(':');
    if (colon == std::string::npos) return;
    if (row.queues.find_first_not_of('0', colon + 1) == std::string::npos) return;
    ports.push_back(PortOf(row.local));
  });
  return ports;
}

std::vector<uint16_t> Connecting(int pid) {
  std::vector<uint16_t> ports;
  ForRows(pid, {"tcp", "tcp6"}, [&](const Row& row) {
    if (row.state == "02") ports.push_back(PortOf(row.remote));  // TCP_SYN_SENT
  });
  return ports;
}

}  // namespace godwit::checkpoint
