#pragma once

// A connected socket, TCP or Unix, with TLS over it or without: tries that never wait, and the two
// waits between them.
//
// The bytes move in the caller's own step, never behind its back while it waits: what the kernel
// still has and what was taken from it is known exactly at any moment, which a checkpoint of the
// peer depends on. Threads: one loop. Lifetime: nobody waits when it is destroyed. Failure: -errno
// from the tries; Why() puts it into words.
#include <sys/types.h>

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "http/message.h"

namespace godwit::http {

class TlsChannel;
class TlsContext;
struct TlsExpectation;

class Stream {
  using Direction = boost::asio::posix::descriptor_base::wait_type;
  struct When {
    Direction direction;
    bool now = false;  // there is nothing to wait for
  };
  void Heed(When& when, Direction direction, ssize_t outcome);
  auto Wait(const When& when) {
    return boost::asio::async_initiate<const boost::asio::as_tuple_t<boost::asio::deferred_t>,
                                       void(boost::system::error_code)>(
        [this, &when](auto handler) {
          if (!when.now) return descriptor_.async_wait(when.direction, std::move(handler));
          boost::asio::post(descriptor_.get_executor(),
                            boost::asio::append(std::move(handler), boost::system::error_code()));
        },
        boost::asio::as_tuple(boost::asio::deferred));
  }

 public:
  // Makes the socket non-blocking.
  Stream(const boost::asio::any_io_executor& executor, Fd socket);
  // With TLS, as a client of whom that is expected, or else as a server. Handshake() comes first.
  Stream(const boost::asio::any_io_executor& executor, Fd socket, const TlsContext& tls,
         const std::optional<TlsExpectation>& expectation);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // 0: bytes may go both ways; at once without TLS. -EAGAIN: wait until it is readable, whatever it
  // is that TLS waits for. Else -errno, and Why().
  int Handshake();
  // How many bytes came; 0 at the peer's end; -EAGAIN: wait first; else -errno.
  ssize_t Receive(std::span<char> into);
  // How many bytes of the pieces, one after the other, went; -EAGAIN: wait first, and come with the
  // same bytes again; else -errno.
  ssize_t Send(std::initializer_list<std::string_view> pieces);
  // Takes what came out of the kernel, of whatever kind, to be forgotten; else as Receive().
  ssize_t Discard(std::span<char> into);

  // co_await these: they end when a try is worth it, and also when Cancel() or the coroutine's
  // cancellation ends them.
  auto Readable() { return Wait(when_readable_); }
  auto Writable() { return Wait(when_writable_); }
  void Cancel();

  int fd() { return descriptor_.native_handle(); }
  bool is_open() const { return descriptor_.is_open(); }
  bool has_tls() const { return tls_ != nullptr; }
  // What came out of the kernel waits here for Receive().
  bool holds_bytes() const { return when_readable_.now; }
  // The reason of a try that failed so.
  Error Why(ssize_t failed) const;
  // What the certificate of the other side says, after the handshake; nothing without one.
  Identity peer() const;
  // The other side began with HTTP where TLS was to be: from here on it is spoken to without TLS,
  // to be told so.
  bool FallBackToPlain();

  // All has been said: with TLS, tells the other side that nothing was cut off.
  void SayGoodbye();
  // No more bytes will be sent; receiving goes on.
  void ShutDownSending();
  // Gives the socket back and ends the waits; it stays non-blocking. Not with TLS, whose state
  // would be lost: then it is closed.
  Fd Release();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  When when_readable_{boost::asio::posix::descriptor_base::wait_read};
  When when_writable_{boost::asio::posix::descriptor_base::wait_write};
  std::unique_ptr<TlsChannel> tls_;
};

}  // namespace godwit::http
