#pragma once

// An HTTP/1.1 client of one endpoint (url.h), over one connection that is kept between calls.
//
// Use Client on the loop; FetchNow() where there is no loop, as in the command line. If the server
// has closed the idle connection meanwhile, the call is made on a new one; a request that may
// already have been acted on is sent again only if its method allows that (GET, HEAD, PUT, DELETE,
// OPTIONS: RFC 9110 section 9.2.2). Threads: one loop. Lifetime: destroyed when no call is under
// way. Failure: kInvalid: not a URL or not a request; kUnavailable: not reached, or lost before the
// whole response came; kTimeout; kTooLarge; kCorrupt: the answer is no HTTP; kBusy: a call is under
// way; kClosing: Cancel(); kDenied: TLS showed that the server is not who was expected, or it
// refused this side; kUnsupported: https without a TlsContext. Any status that came is a success
// here.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "http/message.h"
#include "http/tls.h"

namespace godwit::http {

struct ClientOptions {
  size_t header_bytes = size_t{64} << 10;
  size_t body_bytes =
      size_t{256} << 20;  // of a response; not counted when it is streamed. Zero: no limit
  // What to do if the endpoint cannot be reached: stands in parentheses behind that error.
  std::string way_out{};
  // For https: who this side is and whom it believes; and what the server has to be beyond that.
  std::optional<TlsContext> tls{};
  TlsExpectation expected{};
};

class Client {
 public:
  // Takes a piece of the body as it comes; `head` has status and headers. An error ends the call
  // with that error.
  using Sink =
      std::function<boost::asio::awaitable<Result<>>(const Response& head, std::string_view piece)>;

  // A url that is none is told by the first call.
  Client(boost::asio::any_io_executor executor, std::string_view url, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends method, target (or path and query), headers and body; Host and Content-Length are added.
  // A timeout of zero is none.
  boost::asio::awaitable<Result<Response>> Fetch(Request request, Nanos timeout = Nanos::zero());
  // The same, but the body goes to `sink`, and the response has none.
  boost::asio::awaitable<Result<Response>> FetchStream(Request request, Sink sink,
                                                       Nanos timeout = Nanos::zero());
  void Cancel();
  // What the server's certificate says, of the connection there is; nobody without one.
  Identity peer() const;

 private:
  class Caller;
  std::unique_ptr<Caller> caller_;
};

// Blocks until the response is there. Not for a thread that runs a loop.
Result<Response> FetchNow(std::string_view url, Request request, Nanos timeout = Nanos::zero());
Result<Response> FetchNow(std::string_view url, Request request, Nanos timeout,
                          ClientOptions options);

}  // namespace godwit::http
