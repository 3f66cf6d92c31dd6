#pragma once

// For tests: a Docker Engine that answers at a Unix socket and runs nothing.
//
// Threads: one loop. Lifetime: Close() before it is destroyed. Failure: aborts the test program.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "http/server.h"

namespace godwit::docker {

class FakeEngine {
 public:
  using Answer = std::function<http::Response(const http::Request&)>;

  FakeEngine(boost::asio::io_context& loop, const std::string& socket)
      : server_(
            loop.get_executor(),
            // The server keeps it, and this keeps the server.
            // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
            [this](http::Request request) -> boost::asio::awaitable<http::Response> {
              asked.push_back(request.method + " " + request.target);
              bodies.push_back(request.body);
              co_return answer(request);
            },
            http::Limits{}, Log("fake", LogLevel::kOff)) {
    server_.Listen("unix:" + socket).value();
  }
  boost::asio::awaitable<void> Close() { return server_.Drain(std::chrono::seconds(1)); }

  std::vector<std::string> asked, bodies;
  Answer answer = [](const http::Request&) { return http::Json(200, "{}"); };

 private:
  http::Server server_;
};

}  // namespace godwit::docker
