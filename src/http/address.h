#pragma once

// Where a server listens and a client goes: "127.0.0.1:9000", "[::1]:9000",
// "unix:/run/godwit.sock".
//
// Numbers only (and "localhost"): names are resolved by who has the time to wait. Threads: any; no
// call blocks. Failure: kInvalid for text that is no address; ListenOn() gives kConflict for one in
// use, kDenied, kUnsupported.
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::http {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  static Result<Address> Parse(std::string_view text);
  // A port of zero as the kernel chose it, else as it was parsed.
  static Address Of(int socket);
  // Of the other end of a connection.
  static Address OfPeer(int socket);

  bool is_local() const { return storage.ss_family == AF_UNIX; }
  uint16_t port() const;     // 0 for a Unix socket
  std::string path() const;  // of a Unix socket
  std::string ToString() const;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A listening socket, non-blocking; what it accepts has TCP_NODELAY and SO_KEEPALIVE from it. A
// Unix socket's file that nobody listens to any more is replaced.
Result<Fd> ListenOn(std::string_view address);

}  // namespace godwit::http
