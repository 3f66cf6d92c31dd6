#include "http/connection.h"

#include <optional>
#include <utility>

#include "http/deadlines.h"
#include "http/session.h"
#include "http/tls.h"

namespace godwit::http {

namespace asio = boost::asio;

Connection::Connection(Deadlines& deadlines, Fd socket, const Limits& limits)
    : session_(std::make_unique<Session>(deadlines, Stream(deadlines.executor(), std::move(socket)),
                                         limits)) {}

Connection::Connection(Deadlines& deadlines, Fd socket, const Limits& limits, const TlsContext& tls)
    : session_(std::make_unique<Session>(
          deadlines, Stream(deadlines.executor(), std::move(socket), tls, std::nullopt), limits)) {}

Connection::Connection(asio::any_io_executor executor, Fd socket, const Limits& limits)
    : own_deadlines_(std::make_unique<Deadlines>(std::move(executor), TickOf(limits))),
      session_(std::make_unique<Session>(
          *own_deadlines_, Stream(own_deadlines_->executor(), std::move(socket)), limits)) {}

Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;

asio::awaitable<Result<Request>> Connection::Read() { return session_->Read(); }
asio::awaitable<Result<>> Connection::Write(Response response) {
  return session_->Write(std::move(response));
}
void Connection::WriteLast(const Response& response) { session_->WriteLast(response); }
asio::awaitable<void> Connection::Linger() { return session_->Linger(); }
int Connection::refusal() const { return session_->refusal(); }
bool Connection::Quiet() const { return session_->Quiet(); }
bool Connection::Idle() const { return session_->Idle(); }
bool Connection::Expendable() const { return session_->Expendable(); }
bool Connection::open() const { return session_->open(); }
int Connection::NativeHandle() const { return session_->stream().fd(); }
Fd Connection::Release() {
  session_->Cancel();
  return session_->stream().Release();
}
void Connection::Cancel() { session_->Cancel(); }

}  // namespace godwit::http
