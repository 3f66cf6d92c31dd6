#pragma once

// One connection of a function to its Runtime API: requests are answered in order until the peer
// leaves.
//
// GET .../next and GET .../callbacks/N wait for days if need be, and so does the wait for a
// request. One that has begun has to come to its end in time, or with its call; an instance is not
// put away in its middle. A large body is taken for the call that runs, or for a failed start, and
// of one connection at a time, so that a function cannot fill the node's memory. A session is
// either between two steps, or waits for a request, an invocation or a callback; Hold() is possible
// in the waits only. Threads: the loop. Lifetime: `calls` outlives it; after Start() it is
// destroyed when ended(), or after Stop(). Failure: a connection that breaks ends its session in
// silence; the function's end is noticed elsewhere.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/gate.h"
#include "functions/runtime_port.h"
#include "http/connection.h"
#include "http/limits.h"
#include "http/message.h"

namespace godwit::aws {

class RuntimeSession {
 public:
  // Ends other sessions that wait for an invocation on behalf of nobody; false if there are none.
  using EndDead = std::function<boost::asio::awaitable<bool>()>;

  // The one large body that an instance may be sending: the session that takes it, or none.
  using Upload = const RuntimeSession*;

  // `upload`, of the instance, outlives it.
  RuntimeSession(boost::asio::any_io_executor executor, Fd socket, functions::RuntimeCalls& calls,
                 Upload& upload, EndDead end_dead);
  RuntimeSession(const RuntimeSession&) = delete;
  RuntimeSession& operator=(const RuntimeSession&) = delete;
  ~RuntimeSession() { EndUpload(); }

  // Serves from this point of the conversation on.
  Result<> Start(functions::SavedSession::Awaiting from, functions::CallbackRef callback = {});
  // Ends whatever it does and closes the socket.
  boost::asio::awaitable<void> Stop();
  bool ended() const { return gate_.inside() == 0; }
  // Waits for an invocation or a callback that its peer will not hear of, because it has closed or
  // lost the connection.
  bool IsDead() const;

  // As of RuntimeEndpoint, for this connection.
  Result<> Hold();
  Result<functions::SavedSession> Save();
  Result<> Release();

 private:
  enum class Stage { kWorking, kReading, kAwaitingNext, kAwaitingCallback, kAwaitingRestore };

  size_t BodyLimit(std::string_view method, std::string_view path);
  void EndUpload();
  boost::asio::awaitable<void> Run(functions::SavedSession::Awaiting from);
  boost::asio::awaitable<bool> GoOn(functions::SavedSession::Awaiting from);
  boost::asio::awaitable<bool> Serve(http::Request request);
  boost::asio::awaitable<bool> AnswerNext();
  boost::asio::awaitable<bool> AnswerCallback();
  boost::asio::awaitable<bool> AnswerRestore();
  boost::asio::awaitable<bool> Send(http::Response response);
  boost::asio::awaitable<void> Refuse(const Error& why);
  http::Response Posted(std::string_view id, http::Request& request, bool is_error);
  Result<> TooLarge(std::string_view id);
  Result<> CheckQueues() const;

  functions::RuntimeCalls& calls_;
  Upload& upload_;
  EndDead end_dead_;
  http::Limits limits_;
  std::string body_method_, body_path_;  // of the request whose body is being read
  std::optional<http::Connection> connection_;
  Stage stage_ = Stage::kWorking;
  functions::CallbackRef callback_;  // that was asked for last
  bool deaf_ = false;
  bool in_repair_ = false;
  Gate gate_;
};

}  // namespace godwit::aws
