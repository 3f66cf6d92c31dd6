#include "http/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "http/tls.h"
#include "http/tls_channel.h"

namespace godwit::http {

using boost::asio::posix::descriptor_base;

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

Stream::Stream(const boost::asio::any_io_executor& executor, Fd socket, const TlsContext& tls,
               const std::optional<TlsExpectation>& expectation)
    : Stream(executor, std::move(socket)) {
  if (is_open()) {
    descriptor_.native_non_blocking(true);
    tls_ = std::make_unique<TlsChannel>(tls, fd(), expectation);
  }
}

Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

int Stream::Handshake() {
  if (!tls_) return 0;
  const int done = tls_->Handshake();
  Heed(when_readable_, descriptor_base::wait_read, done);
  return done;
}

ssize_t Stream::Receive(std::span<char> into) {
  if (!tls_) return Discard(into);
  const ssize_t count = tls_->Receive(into);
  Heed(when_readable_, descriptor_base::wait_read, count);
  return count;
}

ssize_t Stream::Discard(std::span<char> into) {
  return OrErrno(::recv(descriptor_.native_handle(), into.data(), into.size(), MSG_DONTWAIT));
}

ssize_t Stream::Send(std::initializer_list<std::string_view> pieces) {
  if (tls_) {
    const ssize_t count = tls_->Send(pieces);
    Heed(when_writable_, descriptor_base::wait_write, count);
    return count;
  }
  std::array<iovec, 4> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    parts.at(message.msg_iovlen++) = {const_cast<char*>(piece.data()), piece.size()};
  }
  return OrErrno(::sendmsg(descriptor_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

// What the last try of TLS makes of the next wait: reading may have to write first, and the other
// way round; and bytes that have left the kernel wake nobody.
void Stream::Heed(When& when, Direction direction, ssize_t outcome) {
  when.direction = direction;
  if (outcome == -EAGAIN) {
    when.direction =
        tls_->waits_to_write() ? descriptor_base::wait_write : descriptor_base::wait_read;
  }
  when_readable_.now = tls_->has_more();
}

Error Stream::Why(ssize_t failed) const {
  if (tls_ && tls_->failed()) return tls_->failure();
  return Error(Code::kUnavailable, ErrnoText(static_cast<int>(-failed)));
}

Identity Stream::peer() const { return tls_ ? tls_->peer() : Identity{}; }

bool Stream::FallBackToPlain() {
  if (!tls_ || !tls_->met_plain_http()) return false;
  tls_.reset();
  when_readable_ = {descriptor_base::wait_read};
  when_writable_ = {descriptor_base::wait_write};
  return true;
}

void Stream::Cancel() {
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
}

void Stream::SayGoodbye() {
  if (tls_) tls_->SayGoodbye();
}

void Stream::ShutDownSending() {
  SayGoodbye();
  ::shutdown(descriptor_.native_handle(), SHUT_WR);
}

Fd Stream::Release() {
  if (!is_open()) return {};
  Fd socket(descriptor_.release());
  if (tls_) socket.Close();
  tls_.reset();
  return socket;
}

}  // namespace godwit::http
