#include "sites/peers.h"

#include <utility>

#include "base/scope.h"
#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;

namespace {

constexpr size_t kKept = 4;  // connections to one node

}  // namespace

Peers::Peers(asio::any_io_executor executor, Members& members, http::TlsContext tls)
    : executor_(std::move(executor)), members_(members), tls_(std::move(tls)) {}

void Peers::Close() {
  closed_ = true;
  idle_.clear();
  for (http::Client* client : calling_) client->Cancel();
}

Answer<Peers::Line> Peers::Borrow(const std::string& node) {
  GODWIT_CO_TRY(const Member member, co_await members_.Find(node));
  if (closed_) co_return Fail(Code::kClosing, "this node is stopping");
  auto& idle = idle_[node];
  while (!idle.empty()) {
    Line line = std::move(idle.back());
    idle.pop_back();
    if (line.address == member.address && line.fingerprint == member.fingerprint) co_return line;
  }
  http::ClientOptions options;
  options.body_bytes = 0;
  options.way_out = "is that node running? `godwit site list` shows who lives";
  options.tls = tls_;
  options.expected = {.name = node, .fingerprint = member.fingerprint};
  co_return Line{std::make_unique<http::Client>(executor_, "https://" + member.address, options),
                 member.address, member.fingerprint};
}

void Peers::GiveBack(const std::string& node, Line line) {
  auto& idle = idle_[node];
  if (!closed_ && idle.size() < kKept) idle.push_back(std::move(line));
}

Answer<http::Response> Peers::Fetch(std::string node, http::Request request, Nanos timeout) {
  return FetchStream(std::move(node), std::move(request), {}, timeout);
}

Answer<http::Response> Peers::FetchStream(std::string node, http::Request request,
                                          http::Client::Sink sink, Nanos timeout) {
  if (closed_) co_return Fail(Code::kClosing, "this node is stopping");
  GODWIT_CO_TRY(Line line, (co_await Borrow(node)).Within("cannot call node '{}'", node));
  http::Client* const client = line.client.get();
  calling_.insert(client);
  const ScopeExit over([&] {
    calling_.erase(client);
    GiveBack(node, std::move(line));
  });
  co_return (co_await (sink ? client->FetchStream(std::move(request), std::move(sink), timeout)
                            : client->Fetch(std::move(request), timeout)))
      .Within("cannot call node '{}'", node);
}

}  // namespace godwit::sites
