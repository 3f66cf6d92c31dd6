#include "http/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace godwit::http {
namespace {

ssize_t OrErrno(ssize_t result) {
  if (result >= 0) return result;
  return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

}  // namespace

Stream::Stream(const boost::asio::any_io_executor& executor, Fd socket) : descriptor_(executor) {
  boost::system::error_code failed;
  descriptor_.assign(socket.get(), failed);
  // A descriptor that cannot be watched (no memory for epoll) stays closed, and every try says
  // EBADF.
  if (!failed) static_cast<void>(socket.Release());
}

ssize_t Stream::Receive(std::span<char> into) {
  return OrErrno(::recv(descriptor_.native_handle(), into.data(), into.size(), MSG_DONTWAIT));
}

ssize_t Stream::Send(std::initializer_list<std::string_view> pieces) {
  std::array<iovec, 4> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    parts.at(message.msg_iovlen++) = {const_cast<char*>(piece.data()), piece.size()};
  }
  return OrErrno(::sendmsg(descriptor_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void Stream::Cancel() {
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
}

void Stream::ShutDownSending() { ::shutdown(descriptor_.native_handle(), SHUT_WR); }

Fd Stream::Release() { return is_open() ? Fd(descriptor_.release()) : Fd(); }

}  // namespace godwit::http
