// An HTTP server that sends each body back: what Godwit's HTTP layer can do when there is nothing
// behind it. The limit to a warm call's rate. It prints the address that it serves, and ends with
// SIGTERM.
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdio>

#include "http/server.h"

namespace {

boost::asio::awaitable<godwit::http::Response> Echo(godwit::http::Request request) {
  co_return godwit::http::Json(200, std::move(request.body));
}

}  // namespace

int main() {
  using namespace godwit;
  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context loop(1);
  http::Server server(loop.get_executor(), Echo, {}, Log("echo"));
  if (const Result<> listening = server.Listen("127.0.0.1:0"); !listening) {
    std::fprintf(stderr, "godwit: %s\n", listening.error().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", server.endpoints().front().c_str());
  std::fflush(stdout);
  loop.run();
}
