#pragma once

// A connected socket, TCP or Unix: tries that never wait, and the two waits between them.
//
// The bytes move in the caller's own step, never behind its back while it waits: what the kernel
// still has and what was taken from it is known exactly at any moment, which a checkpoint of the
// peer depends on. Threads: one loop. Lifetime: nobody waits when it is destroyed. Failure: -errno
// from the tries.
#include <sys/types.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/fd.h"

namespace godwit::http {

class Stream {
 public:
  // Makes the socket non-blocking.
  Stream(const boost::asio::any_io_executor& executor, Fd socket);

  // How many bytes came; 0 at the peer's end; -EAGAIN: wait first; else -errno.
  ssize_t Receive(std::span<char> into);
  // How many bytes of the pieces, one after the other, went; -EAGAIN: wait first; else -errno.
  ssize_t Send(std::initializer_list<std::string_view> pieces);

  // co_await these: they end when a try is worth it, and also when Cancel() or the coroutine's
  // cancellation ends them.
  auto Readable() {
    return descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                  boost::asio::as_tuple(boost::asio::deferred));
  }
  auto Writable() {
    return descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write,
                                  boost::asio::as_tuple(boost::asio::deferred));
  }
  void Cancel();

  int fd() { return descriptor_.native_handle(); }
  bool is_open() const { return descriptor_.is_open(); }
  // No more bytes will be sent; receiving goes on.
  void ShutDownSending();
  // Gives the socket back and ends the waits; it stays non-blocking.
  Fd Release();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
};

}  // namespace godwit::http
