#pragma once

// An HTTP message as the rest of Godwit sees it: values, with nothing of sockets or parsers in
// them.
//
// Use Text() and Json() for the usual answers. Names of headers are compared without case (RFC 9110
// section 5.1). Threads: values. Failure: lookups give an empty view or nullopt for what is not
// there.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::http {

struct Header {
  std::string name{};
  std::string value{};
};

bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// The value of the first header of that name; empty if there is none.
std::string_view Find(const std::vector<Header>& headers, std::string_view name);

// Who the other side of a connection is, as its certificate says (certificate.h); nobody without
// one.
struct Identity {
  std::string name{};
  std::string fingerprint{};

  explicit operator bool() const { return !fingerprint.empty(); }
};

// Every field has a default, so that a request may be written as {.method = "POST", .path = "/x"}.
struct Request {
  std::string method = "GET";
  std::string target{};  // as it stands in the request line, undecoded
  std::string path{};    // the target before '?', undecoded, without scheme and authority
  std::string query{};   // the target after '?', undecoded
  std::vector<Header> headers{};
  std::string body{};
  bool keep_alive = true;
  Identity peer{};  // who sent it; a server's connection with TLS fills it in

  std::string_view Get(std::string_view name) const { return Find(headers, name); }
  // A query parameter, percent-decoded; "" for one without '='. A value that does not decode counts
  // as absent.
  std::optional<std::string> Param(std::string_view name) const;
};

// Where a streamed body goes. Each piece is sent at once; an empty one sends the head alone.
// Write() waits while the reader is slow, and fails (kTimeout, kUnavailable, kClosing) once there
// is no reader; then the producer returns.
class BodySink {
 public:
  BodySink() = default;
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;
  virtual ~BodySink() = default;
  virtual boost::asio::awaitable<Result<>> Write(std::string_view piece) = 0;
};

struct Response {
  int status = 200;
  // Content-Length, Transfer-Encoding and Connection are the connection's to set: those found here
  // are left out.
  std::vector<Header> headers{};
  std::string body{};
  // If set, it produces the body piece by piece, and `body` is not used. An error cuts the
  // connection, so that the reader sees that the body is not whole.
  std::function<boost::asio::awaitable<Result<>>(BodySink&)> stream{};
  bool close = false;  // end the connection after this answer

  std::string_view Get(std::string_view name) const { return Find(headers, name); }
};

// `body` as text/plain; charset=utf-8.
Response Text(int status, std::string body);
// `body`, which is JSON already, as application/json.
Response Json(int status, std::string body);

}  // namespace godwit::http
