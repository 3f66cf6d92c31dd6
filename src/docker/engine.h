#pragma once

// A client of the Docker Engine: the few requests that running functions takes.
//
// Each request has a connection of its own. Threads: one loop. Lifetime: outlives its coroutines.
// Failure: kUnavailable if nobody answers at the socket, or the Engine cannot do it; kNotFound,
// kConflict, kInvalid as it says; each names the socket and what was asked, in the Engine's words.
// Source: Docker Engine API 1.41 (https://docs.docker.com/reference/api/engine/version/v1.41/).
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "http/client.h"

namespace godwit::docker {

struct EngineFacts {
  std::string version;  // "20.10.24"
  bool experimental = false;
};

struct ImageFacts {
  std::string id;  // "sha256:…"
  uint64_t bytes = 0;
  std::vector<std::string> entrypoint, command, environment;
  std::string directory;
};

struct ContainerState {
  bool running = false;  // a paused one is
  bool paused = false;
  int pid = 0;  // on the host
  int exit_code = 0;
  bool out_of_memory = false;
};

class Engine {
 public:
  // `socket` is the path of the Engine's Unix socket.
  Engine(boost::asio::any_io_executor executor, std::string socket);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const std::string& socket() const { return socket_; }

  template <typename T = void>
  using Answer = boost::asio::awaitable<Result<T>>;
  Answer<EngineFacts> Ask();
  Answer<ImageFacts> FindImage(std::string name);
  // Makes the image `name` of a root file system's tar.
  Answer<> ImportImage(std::string name, std::string tar);
  // A container of `settings` (container_json.h); its id.
  Answer<std::string> Create(std::string name, std::string settings);
  Answer<> Start(std::string container);
  Answer<ContainerState> Look(std::string container);
  Answer<> Pause(std::string container);
  Answer<> Unpause(std::string container);
  // Ends it, if it runs; no error if it is not there.
  Answer<> Remove(std::string container);
  // The ids of all that have the label ("key=value").
  Answer<std::vector<std::string>> List(std::string label);
  // What it writes and has written, as log_stream.h reads it, until it ends or `sink` fails.
  Answer<> FollowLogs(std::string container, http::Client::Sink sink);

 private:
  Answer<http::Response> Send(http::Request request, Nanos timeout);
  Answer<boost::json::value> SendJson(http::Request request);
  Answer<> Do(std::string_view method, std::string target);

  boost::asio::any_io_executor executor_;
  std::string socket_;
};

}  // namespace godwit::docker
