#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/try.h"
#include "http/session.h"

namespace godwit::http {

namespace asio = boost::asio;
using std::chrono::steady_clock;

Session::Session(Deadlines& deadlines, Stream stream, const Limits& limits)
    : limits_(limits), stream_(std::move(stream)), parser_(limits), watch_(deadlines, [this] {
        timed_out_ = true;
        stream_.Cancel();
      }) {}

void Session::Cancel() {
  cancelled_ = ended_ = true;
  stream_.Cancel();
}

bool Session::Expendable() {
  if (lingering_ || (in_head_ && !parser_.head_done())) return true;
  int unread = 0;
  return idle_ && !stream_.holds_bytes() && ::ioctl(stream_.fd(), FIONREAD, &unread) == 0 &&
         unread == 0;
}

std::unexpected<Error> Session::Refuse(int status, Code code, std::string_view why) {
  refusal_ = status;
  keep_alive_ = false;
  watch_.Disarm();
  return Fail(code, "{}", why);
}

std::unexpected<Error> Session::Over(std::string_view why) {
  ended_ = true;
  watch_.Disarm();
  return Fail(Code::kClosing, "the connection is over: {}", why);
}

// The peer ended or broke the connection: fair between two requests only.
std::unexpected<Error> Session::CutShort(ssize_t count) {
  if (count < 0) return Over(stream_.Why(count).reason());
  if (inbox_.empty() && !parser_.head_done()) return Over("the peer closed it");
  return Refuse(400, Code::kInvalid, "cannot read the request: it is cut short");
}

// Which limit counts depends on how far the request has come.
void Session::ArmForRead() {
  if (parser_.head_done()) {
    if (!std::exchange(in_body_, true)) body_begun_ = steady_clock::now();
    if (limits_.body == Nanos::zero()) return watch_.Disarm();
    Nanos allowed = limits_.body;
    if (limits_.body_rate > 0)
      allowed += std::chrono::seconds(parser_.body_bytes() / limits_.body_rate);
    watch_.Arm(std::max(allowed - (steady_clock::now() - body_begun_), Nanos(1)));
  } else if (inbox_.empty()) {
    idle_ = true;
    watch_.Arm(limits_.idle);
  } else if (!std::exchange(in_head_, true)) {
    watch_.Arm(limits_.head);
  }
}

// Why a wait ended. A read whose deadline has passed is late even if bytes came with it, or a drip
// could outrun it.
Session::Wake Session::Woken(const boost::system::error_code& failed) {
  if (cancelled_) return Wake::kOver;
  if (std::exchange(timed_out_, false)) return Wake::kLate;
  return failed ? Wake::kOver : Wake::kReady;
}

// A client speaks first and at once, so the whole handshake is bounded like a head. Until it is
// done nothing is lost by an end.
asio::awaitable<Result<>> Session::Shake() {
  idle_ = in_head_ = true;
  watch_.Arm(limits_.head);
  int state = 0;
  while ((state = stream_.Handshake()) == -EAGAIN) {
    const auto [failed] = co_await stream_.Readable();
    const Wake wake = Woken(failed);
    if (wake == Wake::kOver) co_return Over("it was ended here");
    if (wake == Wake::kLate) co_return Over("its TLS handshake comes too slowly");
  }
  idle_ = in_head_ = false;
  watch_.Disarm();
  shaken_ = true;
  if (state == 0) {
    peer_ = stream_.peer();
    if (stream_.has_tls() && !peer_) parser_.CapBodies(limits_.stranger_body_bytes);
    co_return Result<>();
  }
  const Error why = stream_.Why(state);
  if (stream_.FallBackToPlain()) {
    co_return Refuse(400, Code::kInvalid,
                     "cannot read the request: this port speaks TLS (use https://)");
  }
  ended_ = true;
  co_return std::unexpected(
      Error(why.code() == Code::kDenied ? why.code() : Code::kClosing, why.reason()));
}

asio::awaitable<Result<Request>> Session::Read() {
  if (ended_) co_return Over("it was ended here");
  if (!shaken_) GODWIT_CO_TRY(co_await Shake());
  bool more = false;  // the kernel probably has more of this body
  in_head_ = in_body_ = to_head_ = false;
  while (true) {
    if (!inbox_.empty()) {
      auto used = parser_.Feed(inbox_.bytes());
      if (!used) co_return Refuse(parser_.refusal(), used.error().code(), used.error().reason());
      inbox_.Used(*used);
      if (parser_.done()) break;
      if (parser_.awaits_continue()) {
        parser_.Continued();
        GODWIT_CO_TRY(co_await Send("HTTP/1.1 100 Continue\r\n\r\n"));
      }
    }
    std::span<char> room = parser_.BodyRoom();
    const bool to_body = !room.empty();
    if (!to_body) room = inbox_.Room();
    ssize_t count = more ? stream_.Receive(room) : -EAGAIN;
    if (count == -EAGAIN) {
      ArmForRead();
      const auto [failed] = co_await stream_.Readable();
      const bool was_idle = std::exchange(idle_, false);
      const Wake wake = Woken(failed);
      if (wake == Wake::kOver) co_return Over("it was ended here");
      count = stream_.Receive(room);
      if (wake == Wake::kLate && was_idle && count == -EAGAIN)
        co_return Over("the peer was silent");
      if (wake == Wake::kLate && !was_idle) {
        co_return Refuse(408, Code::kTimeout, "cannot read the request: it comes too slowly");
      }
      if (count == -EAGAIN) continue;
    }
    if (count <= 0) co_return CutShort(count);
    // Only within a body: between requests the loop gets its turn, however much a client sends
    // ahead.
    more = to_body && static_cast<size_t>(count) == room.size();
    if (!to_body) {
      inbox_.Came(static_cast<size_t>(count));
      continue;
    }
    parser_.BodyCame(static_cast<size_t>(count));
    if (parser_.done()) break;
  }
  watch_.Disarm();
  in_head_ = false;
  http11_ = parser_.http11();
  Request request = parser_.Take();
  request.peer = peer_;
  keep_alive_ = request.keep_alive;
  to_head_ = request.method == "HEAD";
  co_return request;
}

asio::awaitable<void> Session::Linger() {
  ended_ = lingering_ = true;
  stream_.ShutDownSending();
  watch_.Arm(limits_.linger);
  while (!cancelled_) {
    inbox_.Used(inbox_.bytes().size());
    const auto [failed] = co_await stream_.Readable();
    if (Woken(failed) != Wake::kReady) break;
    const ssize_t count = stream_.Discard(inbox_.Room());
    if (count <= 0 && count != -EAGAIN) break;
  }
  watch_.Disarm();
}

}  // namespace godwit::http
