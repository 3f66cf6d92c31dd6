#include "http/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/try.h"

namespace godwit::http {

namespace asio = boost::asio;

Dial::Dial(asio::any_io_executor executor) : executor_(std::move(executor)), resolver_(executor_) {}

void Dial::Cancel() {
  cancelled_ = true;
  resolver_.cancel();
  if (stream_) stream_->Cancel();
}

asio::awaitable<Result<Fd>> Dial::Connect(Url url) {
  cancelled_ = false;
  // "localhost" may be ::1 or 127.0.0.1, and whoever listens there chose one of them.
  if (url.host != "localhost") {
    if (const auto address = Address::Parse(url.ToAddress())) co_return co_await To(*address);
    if (url.local) co_return Fail(Code::kInvalid, "the path is too long for a socket");
  }
  const auto [failed, found] =
      co_await resolver_.async_resolve(url.host, url.port, asio::as_tuple(asio::deferred));
  if (failed) co_return Fail(Code::kUnavailable, "the name does not resolve: {}", failed.message());
  Result<Fd> socket = Fail(Code::kUnavailable, "the name has no address");
  for (const auto& entry : found) {
    if (cancelled_) break;
    Address address;
    const auto endpoint = entry.endpoint();
    address.size = static_cast<socklen_t>(endpoint.size());
    std::memcpy(&address.storage, endpoint.data(), endpoint.size());
    socket = co_await To(address);
    if (socket) break;
  }
  co_return socket;
}

asio::awaitable<Result<Fd>> Dial::To(Address address) {
  Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) co_return Fail(Code::kUnavailable, "{}", ErrnoText(errno));
  const int yes = 1;
  if (!address.is_local()) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (::connect(socket.get(), address.get(), address.size) == 0) co_return socket;
  if (errno != EINPROGRESS) co_return Fail(Code::kUnavailable, "{}", ErrnoText(errno));
  stream_.emplace(executor_, std::move(socket));
  co_await stream_->Writable();
  socket = stream_->Release();
  stream_.reset();
  if (cancelled_) co_return Fail(Code::kClosing, "it was cancelled");
  int failed = 0;
  socklen_t size = sizeof failed;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
  if (failed != 0) co_return Fail(Code::kUnavailable, "{}", ErrnoText(failed));
  co_return socket;
}

}  // namespace godwit::http
