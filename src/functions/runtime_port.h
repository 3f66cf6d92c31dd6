#pragma once

// The border between an instance and the Runtime API that the function inside it speaks.
//
// functions/ decides what an instance does next; aws/ speaks HTTP with the runtime inside the
// sandbox. RuntimeCalls is what the endpoint asks of the instance, RuntimeEndpoint is what the
// instance asks of the endpoint. The endpoint's connections survive a suspension: Hold() makes them
// deaf, Save() reads their TCP state, Drop() closes them in silence, and Adopt() takes the rebuilt
// ones, each at the point of the conversation where it was left. Threads: the loop. Lifetime: the
// instance outlives its endpoint and closes it first.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/tcp_repair.h"
#include "functions/model.h"

namespace godwit::functions {

// One callback of a call, by its number from 0.
struct CallbackRef {
  std::string call;
  uint32_t number = 0;
  bool operator==(const CallbackRef&) const = default;
};

class RuntimeCalls {
 public:
  RuntimeCalls() = default;
  RuntimeCalls(const RuntimeCalls&) = delete;
  RuntimeCalls& operator=(const RuntimeCalls&) = delete;
  virtual ~RuntimeCalls() = default;

  struct Next {
    const Invocation* invocation;  // alive until it is answered
    std::string function_arn;
    WallTime deadline;
  };
  // Waits for the next invocation, for days if need be; kClosing when the instance ends.
  // May be awaited by one connection at a time: a second one gets kConflict.
  virtual boost::asio::awaitable<Result<Next>> AwaitNext() = 0;
  // Whether `id` is the running call: one that was handed out and is not answered.
  virtual bool Runs(std::string_view id) const = 0;
  // Waits until the call has callback `number`, and may be given it; kNotFound as soon as `id` is
  // not the running call, kClosing when the instance ends. Any number of connections may wait.
  virtual boost::asio::awaitable<Result<>> AwaitCallback(CallbackRef callback) = 0;
  // The payload of one that AwaitCallback() has seen.
  virtual boost::asio::awaitable<Result<std::string>> ReadCallback(CallbackRef callback) = 0;
  // kNotFound if `id` is not the running call (Lambda: 400 InvalidRequestID).
  virtual Result<> Respond(const std::string& id, std::string payload) = 0;
  // A handled failure: `body` is Lambda's error object as the runtime sent it.
  virtual Result<> Fail(const std::string& id, std::string error_type, std::string body) = 0;
  // The runtime could not load the function; it will end by itself. kConflict once it has asked for
  // a call.
  virtual Result<> InitFailed(std::string error_type, std::string body) = 0;

  // The runtime is ready to become a template, and goes on as a clone of it: there, the name of the
  // clone's log stream. In the template's own instance nothing comes of it but kClosing, when that
  // ends; kConflict for an instance that was started for calls.
  virtual boost::asio::awaitable<Result<std::string>> AwaitRestore() = 0;
  // A clone's hooks failed after it was restored; it will end by itself. kConflict for others.
  virtual Result<> RestoreFailed(std::string error_type, std::string body) = 0;
};

// One connection of the function to its Runtime API, as an image keeps it.
struct SavedSession {
  // kNext, kCallback, kRestore: `GET .../invocation/next`, `GET .../callbacks/N` or `GET
  // .../restore/next` was read and is not answered yet.
  enum class Awaiting { kRequest, kNext, kCallback, kRestore };
  Awaiting awaiting = Awaiting::kRequest;
  CallbackRef callback;      // of kCallback
  checkpoint::TcpState tcp;  // of the node's end
};

class RuntimeEndpoint {
 public:
  RuntimeEndpoint() = default;
  RuntimeEndpoint(const RuntimeEndpoint&) = delete;
  RuntimeEndpoint& operator=(const RuntimeEndpoint&) = delete;
  virtual ~RuntimeEndpoint() = default;

  // From now on what arrives is dropped (TCP sends it again later). kBusy if a request or response
  // is half way.
  virtual Result<> Hold() = 0;
  // The state of each connection, which is left in TCP repair mode. Needs Hold().
  virtual Result<std::vector<SavedSession>> Save() = 0;
  // Undoes Hold() and Save(): the suspension did not happen.
  virtual void Release() = 0;
  // Closes every connection without a word on the wire. Needs Save().
  virtual boost::asio::awaitable<void> Drop() = 0;
  // Goes on with a rebuilt connection.
  virtual Result<> Adopt(const SavedSession& session, Fd socket) = 0;
  // Ends everything, the listener too.
  virtual boost::asio::awaitable<void> Close() = 0;
};

// Serves the Runtime API on a listening socket inside an instance's network namespace.
using RuntimeEndpointFactory =
    std::function<std::unique_ptr<RuntimeEndpoint>(RuntimeCalls& instance, Fd listener)>;

}  // namespace godwit::functions
