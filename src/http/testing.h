#pragma once

// What the tests of this folder share: a loop that runs one script, and raw far ends of
// connections.
//
// Everything is on one thread and one loop, so a test reads from top to bottom. Threads: one.
// Failure: exceptions, which fail the test.
#include <sys/socket.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "http/address.h"
#include "http/inbox.h"
#include "http/stream.h"

namespace godwit::http::testing {

using Script = std::function<boost::asio::awaitable<void>()>;

// Starts `script`; an exception of it leaves loop.run().
inline void Start(boost::asio::io_context& loop, Script script) {
  // The script itself, not what it returns: its captures must live as long as it runs.
  boost::asio::co_spawn(loop, std::move(script), [](std::exception_ptr escaped) {
    if (escaped) std::rethrow_exception(escaped);
  });
}

inline void RunToEnd(boost::asio::io_context& loop, const Script& script) {
  bool done = false;
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines): Start() keeps it.
  Start(loop, [&]() -> boost::asio::awaitable<void> {
    co_await script();
    done = true;
  });
  loop.run();
  if (!done) throw std::runtime_error("the script waits for something that never comes");
}

// Lets the loop go on until `condition` holds.
inline boost::asio::awaitable<void> Until(boost::asio::io_context& loop,
                                          std::function<bool()> condition) {
  boost::asio::steady_timer timer(loop);
  while (!condition()) {
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

// The other side of a connection, which says exactly the bytes it is told to.
class Peer {
 public:
  Peer(boost::asio::io_context& loop, Fd socket)
      : stream_(loop.get_executor(), std::move(socket)) {}

  // Everything must fit into the socket's buffer.
  void Say(std::string_view bytes) {
    if (stream_.Send({bytes}) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("not sent");
  }
  // Says as much as there is room for, once there is some.
  boost::asio::awaitable<size_t> SaySome(std::string_view bytes) {
    ssize_t count = 0;
    while ((count = stream_.Send({bytes})) == -EAGAIN) co_await stream_.Writable();
    if (count < 0) throw std::runtime_error("nobody listens");
    co_return static_cast<size_t>(count);
  }
  void StopSaying() { stream_.ShutDownSending(); }
  // What is there now.
  std::string Heard() {
    std::string all;
    std::array<char, 4096> some;
    ssize_t count = 0;
    while ((count = stream_.Receive(some)) > 0) all.append(some.data(), static_cast<size_t>(count));
    return all;
  }
  // Waits for at least `size` bytes, or the end.
  boost::asio::awaitable<std::string> Hear(size_t size) {
    std::string all;
    std::array<char, 65536> some;
    while (all.size() < size) {
      const ssize_t count = stream_.Receive(some);
      if (count == -EAGAIN) {
        co_await stream_.Readable();
      } else if (count <= 0) {
        break;
      } else {
        all.append(some.data(), static_cast<size_t>(count));
      }
    }
    co_return all;
  }
  boost::asio::awaitable<std::string> HearToTheEnd() { return Hear(std::string::npos); }

 private:
  Stream stream_;
};

// Two ends of a connection: a Unix one, so that a full buffer is soon reached.
inline std::pair<Fd, Fd> SocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

inline Fd ConnectTo(std::string_view text) {
  const Address address = Address::Parse(text).value();
  Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), address.get(), address.size) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return socket;
}

}  // namespace godwit::http::testing
