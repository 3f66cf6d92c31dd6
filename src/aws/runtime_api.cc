#include "aws/runtime_api.h"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <list>
#include <memory>
#include <utility>

#include "aws/runtime_session.h"
#include "base/gate.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::aws {

namespace asio = boost::asio;
using functions::RuntimeCalls;
using functions::SavedSession;

namespace {

constexpr size_t kMaxSessions = 16;  // more would eat up the node's descriptors and memory
constexpr auto kRest = std::chrono::milliseconds(100);  // when the node has no descriptors left

class RuntimeApi : public functions::RuntimeEndpoint {
 public:
  RuntimeApi(asio::any_io_executor executor, RuntimeCalls& calls, Fd listener, Log log)
      : executor_(executor),
        calls_(calls),
        log_(std::move(log)),
        listener_(executor),
        gate_(executor) {
    boost::system::error_code failed;
    listener_.assign(listener.get(), failed);
    if (!failed) static_cast<void>(listener.Release());
    if (failed || !gate_.Spawn(Accept()))
      log_.Error("cannot serve the Runtime API: {}", failed.message());
  }

  Result<> Hold() override;
  Result<std::vector<SavedSession>> Save() override;
  void Release() override;
  asio::awaitable<void> Drop() override;
  Result<> Adopt(const SavedSession& session, Fd socket) override;
  asio::awaitable<void> Close() override;

 private:
  using Session = std::shared_ptr<RuntimeSession>;

  asio::awaitable<void> Accept();
  Result<> Serve(Fd socket, const SavedSession& from);
  asio::awaitable<bool> EndDead();
  static asio::awaitable<void> End(Session session) { co_await session->Stop(); }
  void Reap();
  bool SomebodyKnocks();

  asio::any_io_executor executor_;
  RuntimeCalls& calls_;
  Log log_;
  asio::posix::stream_descriptor listener_;
  RuntimeSession::Upload upload_ = nullptr;
  std::list<Session> sessions_;
  Gate gate_;
};

asio::awaitable<void> RuntimeApi::Accept() {
  while (true) {
    // A connection is taken in the step that starts its session, so that SomebodyKnocks() is the
    // whole truth.
    const auto [failed] = co_await listener_.async_wait(asio::posix::descriptor_base::wait_read,
                                                        asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
    // Who gave up waiting makes room for who asks anew.
    if (sessions_.size() >= kMaxSessions) co_await EndDead();
    Fd socket(::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      Reap();
      if (sessions_.size() >= kMaxSessions) continue;
      if (auto served = Serve(std::move(socket), {}); !served) co_return;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      log_.Warning(
          "cannot take a connection to the Runtime API: {} (raise the limit of open files)",
          ErrnoText(errno));
      asio::steady_timer rest(executor_, kRest);
      co_await rest.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }
}

Result<> RuntimeApi::Serve(Fd socket, const SavedSession& from) {
  auto session = std::make_shared<RuntimeSession>(executor_, std::move(socket), calls_, upload_,
                                                  [this] { return EndDead(); });
  GODWIT_TRY(session->Start(from.awaiting, from.callback));
  sessions_.push_back(std::move(session));
  return {};
}

// A runtime that closed its connection while it waited for a call, and asks again on another one;
// a function that waited for a callback no longer than it wanted to.
asio::awaitable<bool> RuntimeApi::EndDead() {
  bool found = false;
  const std::list<Session> sessions = sessions_;
  for (const Session& session : sessions) {
    if (!session->IsDead()) continue;
    found = true;
    co_await session->Stop();
  }
  co_return found;
}

void RuntimeApi::Reap() {
  sessions_.remove_if([](const Session& session) { return session->ended(); });
}

bool RuntimeApi::SomebodyKnocks() {
  pollfd listener{listener_.native_handle(), POLLIN, 0};
  return ::poll(&listener, 1, 0) == 1;
}

Result<> RuntimeApi::Hold() {
  Reap();
  if (SomebodyKnocks()) return Fail(Code::kBusy, "the function is connecting to its Runtime API");
  ScopeExit undo([this] { Release(); });
  for (const Session& session : sessions_) {
    if (session->IsDead()) GODWIT_TRY(gate_.Spawn(End(session)));
    GODWIT_TRY(session->Hold());
  }
  undo.Release();
  return {};
}

Result<std::vector<SavedSession>> RuntimeApi::Save() {
  if (SomebodyKnocks()) return Fail(Code::kBusy, "the function is connecting to its Runtime API");
  std::vector<SavedSession> saved;
  for (const Session& session : sessions_) {
    GODWIT_TRY(saved.emplace_back(), session->Save());
  }
  return saved;
}

void RuntimeApi::Release() {
  for (const Session& session : sessions_) {
    if (auto released = session->Release(); !released) {
      log_.Error("a connection to the Runtime API is lost: {}", released.error().ToString());
    }
  }
}

asio::awaitable<void> RuntimeApi::Drop() {
  while (!sessions_.empty()) {
    const Session session = sessions_.front();
    co_await session->Stop();
    sessions_.remove(session);
  }
}

Result<> RuntimeApi::Adopt(const SavedSession& session, Fd socket) {
  return Serve(std::move(socket), session);
}

asio::awaitable<void> RuntimeApi::Close() {
  co_await gate_.Close();
  co_await Drop();
  boost::system::error_code ignored;
  listener_.close(ignored);
}

}  // namespace

functions::RuntimeEndpointFactory MakeRuntimeEndpoints(asio::any_io_executor executor, Log log) {
  return
      [executor = std::move(executor), log = std::move(log)](RuntimeCalls& instance, Fd listener) {
        return std::make_unique<RuntimeApi>(executor, instance, std::move(listener), log);
      };
}

}  // namespace godwit::aws
