// Any bytes from a function to its Runtime API: the conversation ends, and only calls that run are
// answered.
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "aws/fake_runtime.h"
#include "aws/runtime_session.h"

namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

void Require(bool holds) {
  if (!holds) std::abort();
}

asio::awaitable<void> Say(Socket& socket, const std::string& text) {
  co_await asio::async_write(socket, asio::buffer(text), asio::as_tuple(asio::use_awaitable));
  boost::system::error_code ignored;
  socket.shutdown(Socket::shutdown_send, ignored);
}

asio::awaitable<void> HearToTheEnd(Socket& socket) {
  std::array<char, 65536> room;
  while (true) {
    const auto [failed, count] =
        co_await socket.async_read_some(asio::buffer(room), asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
  }
}

asio::awaitable<bool> NobodyIsDead() { co_return false; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return 0;
  asio::io_context loop(1);
  Socket peer(loop, asio::local::stream_protocol(), ends[0]);
  godwit::aws::FakeCalls calls(loop.get_executor());
  calls.Give("id-0", "{}");
  calls.Give("id-1", "{}");
  calls.GiveCallback("0");
  calls.End();
  godwit::aws::RuntimeSession::Upload upload = nullptr;
  godwit::aws::RuntimeSession session(loop.get_executor(), godwit::Fd(ends[1]), calls, upload,
                                      NobodyIsDead);
  Require(session.Start(godwit::functions::SavedSession::Awaiting::kRequest).has_value());
  const std::string text(reinterpret_cast<const char*>(data), size);
  asio::co_spawn(loop, Say(peer, text), asio::detached);
  asio::co_spawn(loop, HearToTheEnd(peer), asio::detached);
  loop.run();
  Require(session.ended() && upload == nullptr);
  size_t answered = 0;
  for (const std::string& entry : calls.log) answered += !entry.starts_with("init ");
  Require(answered <= calls.handed_out && calls.handed_out <= 2);
  return 0;
}
