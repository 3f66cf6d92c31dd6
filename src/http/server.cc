#include "http/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <exception>
#include <optional>
#include <utility>

#include "base/scope.h"
#include "base/try.h"
#include "http/stream.h"

namespace godwit::http {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Of those beyond the limit, this many are told so; the others see their connection closed.
constexpr size_t kMostTurnedAway = 64;
// A crowd at the door must not keep the loop from those inside.
constexpr int kMostAtOnce = 64;
constexpr int kMostShownOut = 16;  // for want of descriptors, each time
constexpr auto kPauseWithoutDescriptors = 100ms;

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

struct Server::Listener {
  Listener(const asio::any_io_executor& executor, Fd socket, std::optional<TlsContext> with_tls)
      : address(Address::Of(socket.get())),
        stream(executor, std::move(socket)),
        tls(std::move(with_tls)),
        pause(executor) {}
  void Close() {
    if (!stream.is_open()) return;  // the file may be another server's by now
    if (address.is_local()) ::unlink(address.path().c_str());
    stream.Release().Close();
    pause.cancel();
  }

  Address address;
  Stream stream;
  std::optional<TlsContext> tls;
  asio::steady_timer pause;
  bool short_of_descriptors = false;
};

struct Server::Guest {
  Guest(Deadlines& deadlines, Fd socket, const Limits& limits)
      : connection(deadlines, std::move(socket), limits) {}
  Guest(Deadlines& deadlines, Fd socket, const Limits& limits, const TlsContext& tls)
      : connection(deadlines, std::move(socket), limits, tls) {}

  Connection connection;
  std::optional<std::list<Guest*>::iterator> in_line;
};

Server::Server(asio::any_io_executor executor, Handler handler, Limits limits, Log log)
    : executor_(std::move(executor)),
      handler_(std::move(handler)),
      limits_(std::move(limits)),
      log_(std::move(log)),
      deadlines_(executor_, TickOf(limits_)),
      emptied_(executor_),
      gate_(executor_) {}

Server::~Server() = default;

Result<> Server::Listen(std::string_view address) {
  GODWIT_TRY(Fd socket, ListenOn(address));
  return Listen(std::move(socket));
}

Result<> Server::Listen(Fd socket) { return ListenAt(std::move(socket), std::nullopt); }

Result<> Server::Listen(Fd socket, TlsContext tls) {
  return ListenAt(std::move(socket), std::move(tls));
}

Result<> Server::ListenAt(Fd socket, std::optional<TlsContext> tls) {
  const std::string address = Address::Of(socket.get()).ToString();
  if (draining_) return Fail(Code::kClosing, "cannot listen on '{}': it is closing", address);
  Listener& listener = listeners_.emplace_back(executor_, std::move(socket), std::move(tls));
  if (listener.stream.is_open()) return gate_.Spawn(Accept(listener));
  listeners_.pop_back();
  return Fail(Code::kInternal, "cannot listen on '{}': its socket cannot be watched", address);
}

asio::awaitable<void> Server::Accept(Listener& listener) {
  while (!draining_) {
    co_await listener.stream.Readable();
    int failed = 0;
    for (int count = 0; count < kMostAtOnce && !draining_; ++count) {
      Fd socket(::accept4(listener.stream.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      failed = socket ? 0 : errno;
      if (socket) Welcome(listener, std::move(socket));
      // Others are the fault of one peer that has already gone.
      if (failed == EAGAIN || failed == EBADF || IsShortage(failed)) break;
    }
    if (draining_ || failed == EBADF) co_return;
    const bool was_short = std::exchange(listener.short_of_descriptors, IsShortage(failed));
    if (!listener.short_of_descriptors) continue;
    for (int count = 0; count < kMostShownOut && MakeRoom(); ++count) {
    }
    if (!was_short) {
      log_.Error("cannot accept connections on '{}': {} (raise `ulimit -n`)",
                 listener.address.ToString(), ErrnoText(failed));
    }
    listener.pause.expires_after(kPauseWithoutDescriptors);
    co_await listener.pause.async_wait(asio::as_tuple(asio::deferred));
  }
}

void Server::Welcome(const Listener& listener, Fd socket) {
  if (limits_.connections == 0 || guests_.size() < limits_.connections || MakeRoom()) {
    static_cast<void>(Seat(std::move(socket), listener.tls));
  } else if (!listener.tls && turned_away_ < kMostTurnedAway) {
    ++turned_away_;
    static_cast<void>(gate_.Spawn(TurnAway(Connection(deadlines_, std::move(socket), limits_))));
  }
}

Result<> Server::Serve(Fd socket) { return Seat(std::move(socket), std::nullopt); }

Result<> Server::Seat(Fd socket, const std::optional<TlsContext>& tls) {
  if (draining_) return Fail(Code::kClosing, "the server is closing");
  if (tls) {
    return gate_.Spawn(
        Converse(guests_.emplace(guests_.end(), deadlines_, std::move(socket), limits_, *tls)));
  }
  return gate_.Spawn(
      Converse(guests_.emplace(guests_.end(), deadlines_, std::move(socket), limits_)));
}

void Server::StandInLine(Guest& guest) {
  LeaveTheLine(guest);
  guest.in_line = line_.insert(line_.end(), &guest);
}

void Server::LeaveTheLine(Guest& guest) {
  if (guest.in_line) line_.erase(*std::exchange(guest.in_line, std::nullopt));
}

// Otherwise a crowd that says nothing, or begins and never ends, would keep everybody out. Each
// look either shows somebody out, or moves one who need not be looked at again soon.
bool Server::MakeRoom() {
  for (size_t looks = line_.size(); looks > 0; --looks) {
    Guest& longest = *line_.front();
    if (longest.connection.Expendable()) {
      LeaveTheLine(longest);
      longest.connection.Cancel();
      return true;
    }
    // A request has just come to one that was idle, or the head is there and the body is on its
    // way.
    if (longest.connection.Idle()) {
      StandInLine(longest);
    } else {
      LeaveTheLine(longest);
    }
  }
  return false;
}

asio::awaitable<void> Server::TurnAway(Connection connection) {
  const ScopeExit counted([this] { --turned_away_; });
  connection.WriteLast(Text(503, "too many connections (try again later)\n"));
  co_await connection.Linger();
}

asio::awaitable<void> Server::Converse(Guests::iterator place) {
  const ScopeExit left([this, place] {
    LeaveTheLine(*place);
    guests_.erase(place);
    if (guests_.empty()) emptied_.cancel();
  });
  const auto state = co_await asio::this_coro::cancellation_state;
  try {
    while (!draining_ && co_await Exchange(*place)) {
    }
  } catch (const std::exception& escaped) {
    const bool cut = state.cancelled() != asio::cancellation_type::none;
    if (!cut) log_.Error("a response was cut short: {}", escaped.what());
  }
}

// One request and its response; false when the connection is to be closed.
asio::awaitable<bool> Server::Exchange(Guest& guest) {
  Connection& connection = guest.connection;
  StandInLine(guest);
  Result<Request> request = co_await connection.Read();
  LeaveTheLine(guest);
  if (!request) {
    if (request.error().code() == Code::kDenied) {
      log_.Warning("no TLS with '{}': {}", Address::OfPeer(connection.NativeHandle()).ToString(),
                   request.error().ToString());
      StandInLine(guest);
      co_await connection.Linger();
    } else if (request.error().code() != Code::kClosing) {
      co_await Refuse(guest, request.error());
    }
    co_return false;
  }
  const std::string path = request->path;
  Response response;
  std::string failure;
  try {
    response = co_await handler_(*std::move(request));
  } catch (const std::exception& escaped) {
    failure = escaped.what();
    response = Text(500, "internal error\n");
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    connection.WriteLast(failure.empty() ? response : Text(503, "the server is shutting down\n"));
    co_return false;
  }
  if (!failure.empty()) log_.Error("the handler of '{}' failed: {}", path, failure);
  response.close |= draining_;
  Result<> sent = co_await connection.Write(std::move(response));
  if (!sent && sent.error().code() == Code::kInvalid && connection.open()) {
    log_.Error("the handler of '{}' failed: {}", path, sent.error().ToString());
    sent = co_await connection.Write(Text(500, "internal error\n"));
  }
  co_return sent.has_value() && connection.open();
}

asio::awaitable<void> Server::Refuse(Guest& guest, const Error& why) {
  Connection& connection = guest.connection;
  log_.Debug("{}", why.ToString());
  const Result<> told =
      co_await connection.Write(Text(connection.refusal(), why.ToString() + "\n"));
  if (!told) co_return;
  StandInLine(guest);
  co_await connection.Linger();
}

asio::awaitable<void> Server::Drain(std::chrono::nanoseconds patience) {
  draining_ = true;
  for (Listener& listener : listeners_) listener.Close();
  for (Guest& guest : guests_) {
    if (guest.connection.Idle()) guest.connection.Cancel();
  }
  emptied_.expires_after(patience);
  bool late = false;
  while (!guests_.empty() && !late) {
    const auto [woken] = co_await emptied_.async_wait(asio::as_tuple(asio::use_awaitable));
    late = !woken;
  }
  co_await gate_.Close();
  deadlines_.Rest();
}

std::vector<std::string> Server::endpoints() const {
  std::vector<std::string> names;
  for (const Listener& listener : listeners_) names.push_back(listener.address.ToString());
  return names;
}

uint16_t Server::port() const {
  for (const Listener& listener : listeners_) {
    if (!listener.address.is_local()) return listener.address.port();
  }
  return 0;
}

}  // namespace godwit::http
