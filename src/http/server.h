#pragma once

// An HTTP/1.1 server: listens, reads requests within its limits, hands them to one handler, sends
// what it answers.
//
//   Server server(executor, [&](Request request) { return Route(std::move(request)); }, limits,
//   log); GODWIT_TRY(server.Listen("127.0.0.1:9000"));
//   ...
//   co_await server.Drain(10s);
//
// Threads: one loop, on which the handler's coroutines run too, one a connection. Lifetime: it is
// destroyed after Drain(), or unused; else it aborts. Failure: a refused request is answered with
// the limit's status and a line of text. Beyond the limit of connections, or of descriptors, the
// one that has waited longest without a request makes room for a newcomer; if all of them have a
// request running, the newcomer gets a 503. An exception that leaves the handler is a 500 and a
// line in the log. Running out of file descriptors is logged once and waited out.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/gate.h"
#include "base/log.h"
#include "http/address.h"
#include "http/connection.h"
#include "http/deadlines.h"
#include "http/limits.h"
#include "http/message.h"
#include "http/tls.h"

namespace godwit::http {

using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

class Server {
 public:
  Server(boost::asio::any_io_executor executor, Handler handler, Limits limits, Log log);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves an address (address.h) as well; port 0 lets the kernel choose. kConflict if it is in
  // use.
  Result<> Listen(std::string_view address);
  // The same with a socket of ListenOn() (address.h), which may have been opened long before.
  Result<> Listen(Fd socket);
  // With TLS: the handler finds in Request::peer who it is, as far as `tls` has asked.
  Result<> Listen(Fd socket, TlsContext tls);
  // Serves a socket that was accepted elsewhere; kClosing once Drain() began.
  Result<> Serve(Fd socket);

  // Stops accepting, ends connections that wait for a request, lets running requests finish and be
  // answered, and at the end of `patience` answers those that are left with 503 and cancels their
  // handlers. Returns when all have gone.
  boost::asio::awaitable<void> Drain(std::chrono::nanoseconds patience);

  // What Listen() was given, with the ports as they are.
  std::vector<std::string> endpoints() const;
  // Of the first endpoint that has one.
  uint16_t port() const;
  size_t connections() const { return guests_.size(); }

 private:
  struct Listener;
  struct Guest;
  using Guests = std::list<Guest>;

  boost::asio::awaitable<void> Accept(Listener& listener);
  boost::asio::awaitable<void> Converse(Guests::iterator place);
  boost::asio::awaitable<bool> Exchange(Guest& guest);
  boost::asio::awaitable<void> Refuse(Guest& guest, const Error& why);
  boost::asio::awaitable<void> TurnAway(Connection connection);
  Result<> ListenAt(Fd socket, std::optional<TlsContext> tls);
  Result<> Seat(Fd socket, const std::optional<TlsContext>& tls);
  void Welcome(const Listener& listener, Fd socket);
  void StandInLine(Guest& guest);
  void LeaveTheLine(Guest& guest);
  bool MakeRoom();

  boost::asio::any_io_executor executor_;
  Handler handler_;
  Limits limits_;
  Log log_;
  Deadlines deadlines_;
  std::list<Listener> listeners_;
  Guests guests_;
  std::list<Guest*> line_;  // whose request's head has not come, the longest wait first
  size_t turned_away_ = 0;
  bool draining_ = false;
  boost::asio::steady_timer emptied_;  // cancelled when the last connection leaves during Drain()
  Gate gate_;
};

}  // namespace godwit::http
