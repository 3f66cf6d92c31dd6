#pragma once

// Connects to an endpoint, trying each address that its name has.
//
// Numeric addresses and Unix sockets are dialled at once; a name goes to the resolver, which has a
// thread of its own. Threads: one loop; one Connect() at a time. Failure: kUnavailable with the
// last address's reason; kClosing after Cancel().
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <optional>

#include "base/error.h"
#include "base/fd.h"
#include "http/address.h"
#include "http/stream.h"
#include "http/url.h"

namespace godwit::http {

class Dial {
 public:
  explicit Dial(boost::asio::any_io_executor executor);

  // A connected, non-blocking socket.
  boost::asio::awaitable<Result<Fd>> Connect(Url url);
  void Cancel();

 private:
  boost::asio::awaitable<Result<Fd>> To(Address address);

  boost::asio::any_io_executor executor_;
  boost::asio::ip::tcp::resolver resolver_;
  std::optional<Stream> stream_;  // that is being connected
  bool cancelled_ = false;
};

}  // namespace godwit::http
