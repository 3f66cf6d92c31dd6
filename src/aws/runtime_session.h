#pragma once

// One connection of a function to its Runtime API: requests are answered in order until the peer
// leaves.
//
// GET .../next waits for days if need be, hence no time-outs here: the function may be frozen at
// any byte. A session is either between two steps, or waits for a request, or for an invocation;
// Hold() is possible in the two waits only. Threads: the loop. Lifetime: `calls` outlives it; after
// Start() it is destroyed when ended(), or after Stop(). Failure: a connection that breaks ends its
// session in silence; the function's end is noticed elsewhere.
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

  RuntimeSession(boost::asio::any_io_executor executor, Fd socket, functions::RuntimeCalls& calls,
                 EndDead end_dead);
  RuntimeSession(const RuntimeSession&) = delete;
  RuntimeSession& operator=(const RuntimeSession&) = delete;
  ~RuntimeSession() = default;

  // Serves from this point of the conversation on.
  Result<> Start(functions::SavedSession::Awaiting from);
  // Ends whatever it does and closes the socket.
  boost::asio::awaitable<void> Stop();
  bool ended() const { return gate_.inside() == 0; }
  // Waits for an invocation that its peer will not hear of, because it has closed or lost the
  // connection.
  bool IsDead() const;

  // As of RuntimeEndpoint, for this connection.
  Result<> Hold();
  Result<functions::SavedSession> Save();
  Result<> Release();

 private:
  enum class Stage { kWorking, kReading, kAwaitingNext };

  boost::asio::awaitable<void> Run(functions::SavedSession::Awaiting from);
  boost::asio::awaitable<bool> Serve(http::Request request);
  boost::asio::awaitable<bool> AnswerNext();
  boost::asio::awaitable<bool> Send(http::Response response);
  boost::asio::awaitable<void> Refuse(const Error& why);
  http::Response Posted(std::string_view id, http::Request& request, bool is_error);
  Result<> TooLarge(std::string_view id);
  Result<> CheckQueues() const;

  functions::RuntimeCalls& calls_;
  EndDead end_dead_;
  http::Limits limits_;
  std::string upload_path_;  // of the request whose body is being read
  std::optional<http::Connection> connection_;
  Stage stage_ = Stage::kWorking;
  bool deaf_ = false;
  bool in_repair_ = false;
  Gate gate_;
};

}  // namespace godwit::aws
