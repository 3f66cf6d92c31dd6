#pragma once

// What is behind a Connection; only connection.cc needs it, so that the others are spared the
// sockets.
//
// The one thing to keep in mind: bytes are taken from the kernel and given to it only between two
// waits, in the step that uses them, so that Quiet() is the whole truth. Contract, threads and
// failure: connection.h.
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/deadlines.h"
#include "http/inbox.h"
#include "http/limits.h"
#include "http/message.h"
#include "http/request_parser.h"
#include "http/stream.h"
#include "http/wire.h"

namespace godwit::http {

class Session {
 public:
  Session(Deadlines& deadlines, Stream stream, const Limits& limits);

  boost::asio::awaitable<Result<Request>> Read();
  boost::asio::awaitable<Result<>> Write(Response response);
  void WriteLast(const Response& response);
  boost::asio::awaitable<void> Linger();
  void Cancel();

  int refusal() const { return refusal_; }
  bool Quiet() const { return inbox_.empty() && !parser_.head_done() && !writing_; }
  bool Idle() const { return idle_; }
  bool Expendable();
  bool open() const { return !ended_; }
  Stream& stream() { return stream_; }

 private:
  class Sink;
  enum class Wake { kReady, kLate, kOver };

  std::unexpected<Error> Refuse(int status, Code code, std::string_view why);
  std::unexpected<Error> Over(std::string_view why);
  std::unexpected<Error> CutShort(ssize_t count);
  boost::asio::awaitable<Result<>> Shake();
  void ArmForRead();
  Wake Woken(const boost::system::error_code& failed);
  bool IsBodiless(const Response& response) const;
  Answering AnsweringTo(const Response& response) const;
  boost::asio::awaitable<Result<>> Send(std::string_view first, std::string_view second = {},
                                        std::string_view third = {});
  boost::asio::awaitable<Result<>> Produce(const Response& response, Framing framing);

  const Limits& limits_;
  Stream stream_;
  Inbox inbox_;
  RequestParser parser_;
  Identity peer_;
  std::string out_;  // a response's head, or what stands before a chunk

  bool cancelled_ = false;
  bool shaken_ = false;     // hands, with TLS
  bool ended_ = false;      // no further request is read
  bool idle_ = false;       // waiting for the first byte of a request
  bool writing_ = false;    // a response has begun and is not whole
  bool timed_out_ = false;  // why the last wait ended
  bool in_head_ = false;    // the deadline of the head counts
  bool lingering_ = false;
  bool in_body_ = false;
  std::chrono::steady_clock::time_point body_begun_{};

  // Of the request to be answered:
  bool keep_alive_ = true;
  bool http11_ = true;
  bool to_head_ = false;
  int refusal_ = 400;

  Deadlines::Watch watch_;
};

}  // namespace godwit::http
