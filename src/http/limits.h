#pragma once

// What one peer may ask of a connection, and of a server: sizes, times, numbers.
//
// Each stands for an attack or an accident (a head without end, a body that drips, a reader that
// does not read). Zero means no limit. Times are kept to within an eighth of the shortest of them,
// at most a second, and never cut short. Threads: values. Failure: a connection tells what happened
// as kTooLarge or kTimeout.
#include <cstddef>
#include <functional>
#include <string_view>

#include "base/clock.h"

namespace godwit::http {

struct Limits {
  size_t header_bytes = size_t{16} << 10;  // request line and headers together; 431 beyond
  size_t header_count = 100;               // 431 beyond
  // How large a body may be, known the path: 413 beyond. An upload of code has another limit than a
  // small call.
  std::function<size_t(std::string_view method, std::string_view path)> body_bytes =
      [](std::string_view, std::string_view) { return size_t{1} << 20; };
  // The same for a peer of TLS that has shown no certificate, if that is less. Zero: no difference.
  size_t stranger_body_bytes = 0;

  Nanos idle = std::chrono::seconds(75);  // without a byte, before the first request or between two
  Nanos head = std::chrono::seconds(10);  // from the first byte of a head to its last; 408 beyond
  Nanos body =
      std::chrono::seconds(60);  // from the head to the last byte of the body, and beyond that ...
  size_t body_rate = size_t{16} << 10;     // ... a second more for each so many bytes that came
  Nanos write = std::chrono::seconds(60);  // without the peer taking a byte of its response
  Nanos linger =
      std::chrono::seconds(5);  // reading on after a refusal, so that the peer gets to see it

  size_t connections = 4096;  // at once, in one server; beyond, see there
};

// How often times need looking at to keep `limits`.
Nanos TickOf(const Limits& limits);

}  // namespace godwit::http
