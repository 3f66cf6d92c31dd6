#pragma once

// The endpoint a client goes to: http://host:port, http://[::1]:port, http://host (port 80),
// https://host (TLS, port 443), unix:/path.
//
// Threads: values. Failure: kInvalid for other text.
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::http {

struct Url {
  std::string host;  // without brackets; the path of a Unix socket
  std::string port = "80";
  bool local = false;  // a Unix socket
  bool tls = false;

  // A path behind the authority is refused, but for "/".
  static Result<Url> Parse(std::string_view text);
  // For the Host header: "localhost" for a Unix socket.
  std::string Authority() const;
  // As Address::Parse() takes it, if the host is numeric.
  std::string ToAddress() const;
};

}  // namespace godwit::http
