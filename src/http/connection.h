#pragma once

// One peer's end of HTTP/1.1: requests out of a stream socket, responses into it, one after the
// other.
//
// A server's session is Read(), Write(), Read(), ... until kClosing. It handles keep-alive,
// pipelining, chunked bodies, 100-continue and HTTP/1.0. It may also be built around a socket that
// was accepted elsewhere, or rebuilt around one in the middle of a session: then Write() answers
// the request that somebody else has read. Threads: one loop; one Read() or Write() at a time.
// Lifetime: Limits and Deadlines outlive it, and it is destroyed when neither is under way. Failure
// of Read(): kClosing: the peer left, or was silent too long, between two requests, or Cancel(),
// Release() or a closing response ended the session; kInvalid, kTooLarge, kUnsupported, kTimeout:
// it may still be answered, with the status refusal(), and is then closed; kDenied: TLS showed that
// the peer is not who it must be, or it said so of this side; Linger() lets it hear that. Failure
// of Write(): kTimeout: the peer does not take it; kUnavailable: the peer has gone; kInvalid:
// nothing was sent; and what the stream's producer gave.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "http/limits.h"
#include "http/message.h"

namespace godwit::http {

class Deadlines;
class Session;
class TlsContext;

class Connection {
 public:
  // Among many that share one watch over their deadlines.
  Connection(Deadlines& deadlines, Fd socket, const Limits& limits);
  // The same with TLS: the first Read() begins with its handshake.
  Connection(Deadlines& deadlines, Fd socket, const Limits& limits, const TlsContext& tls);
  // Alone, with a watch of its own.
  Connection(boost::asio::any_io_executor executor, Fd socket, const Limits& limits);
  Connection(Deadlines&, Fd, const Limits&&) = delete;
  Connection(boost::asio::any_io_executor, Fd, const Limits&&) = delete;
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The next request with its whole body.
  boost::asio::awaitable<Result<Request>> Read();
  // Answers the last request.
  boost::asio::awaitable<Result<>> Write(Response response);
  // As much of a short answer as the kernel takes at once, and then the end: for when there is no
  // time to wait.
  void WriteLast(const Response& response);
  // After a refusal: lets the peer read it, for a close with unread bytes would destroy it on its
  // way.
  boost::asio::awaitable<void> Linger();

  // The status that answers what Read() failed with.
  int refusal() const;
  // No byte of a request was taken without the rest, none of a response is half sent. What the
  // kernel holds is not looked at. A request that is read and not answered yet is quiet.
  bool Quiet() const;
  // Quiet, and waiting for the first byte of a request.
  bool Idle() const;
  // No request is lost if it ends now: it waits for the first byte of one and none is there, or for
  // the rest of its head, or for the peer to read a refusal.
  bool Expendable() const;
  // Another request may follow.
  bool open() const;

  int NativeHandle() const;
  // Gives the socket back, non-blocking and not shut down; what is under way ends with kClosing.
  Fd Release();
  // What is under way and what comes after ends with kClosing.
  void Cancel();

 private:
  std::unique_ptr<Deadlines> own_deadlines_;
  std::unique_ptr<Session> session_;
};

}  // namespace godwit::http
