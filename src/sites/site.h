#pragma once

// A site as one of its nodes serves it: the site port, tokens, members who come and go.
//
// A request at the site port is a member's, shown by its certificate and held against the registry,
// or a newcomer's at kJoinPath. Serve() gives the rest of the port to whom it concerns. Threads:
// one loop. Lifetime: the Registry outlives it; Stop() before it is destroyed. Failure: refusals go
// to the caller, with the reason; the registry's.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "http/limits.h"
#include "http/server.h"
#include "sites/identity.h"
#include "sites/join_token.h"
#include "sites/members.h"
#include "sites/peers.h"
#include "sites/registry.h"
#include "sites/site_wire.h"

namespace godwit::sites {

class Site {
 public:
  // A member's request, and the member's name.
  using Handler =
      std::function<boost::asio::awaitable<http::Response>(http::Request, std::string peer)>;
  struct Listed {
    Member member;
    bool alive = false;
  };

  static Result<std::unique_ptr<Site>> Make(boost::asio::any_io_executor executor,
                                            Identity identity, std::string data, Registry& registry,
                                            const Clock& clock, Entropy& entropy,
                                            std::string version, Log log);
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // Begins to follow who belongs to the site.
  Result<> Start();
  // Says in the registry where this node is now. kDenied: it was evicted.
  Answer<> Announce();
  boost::asio::awaitable<void> Stop();

  // Paths that begin with `prefix`, such as "/site/v1/blobs/"; the longest that fits.
  void Serve(std::string prefix, Handler handler);
  // All that comes at the site port. Its server's TLS and limits: below.
  boost::asio::awaitable<http::Response> Handle(http::Request request);
  http::TlsContext ServerTls() const { return server_tls_; }
  static http::Limits PortLimits(size_t member_body_bytes);

  // Lets one node in, until then. kUnsupported where the coordinator is for one node.
  Answer<JoinToken> MakeToken(Nanos ttl);
  Answer<std::vector<Listed>> List();
  Answer<> Evict(std::string name);
  // This node goes: out of the registry, and its folder DIR/site with it.
  Answer<> Leave();
  void WhenLeft(std::function<void()> told) { when_left_ = std::move(told); }

  const Identity& identity() const { return identity_; }
  Peers& peers() { return peers_; }
  Registry& registry() { return registry_; }

 private:
  Site(boost::asio::any_io_executor executor, Identity identity, std::string data,
       Registry& registry, const Clock& clock, Entropy& entropy, std::string version, Log log,
       http::TlsContext server_tls, http::TlsContext client_tls);
  Answer<JoinAnswer> Join(std::string body);
  Answer<> Take(const JoinToken& token, const std::string& taker);

  Identity identity_;
  std::string data_;
  Registry& registry_;
  const Clock& clock_;
  Entropy& entropy_;
  std::string version_;
  Log log_;
  http::TlsContext server_tls_;
  std::map<std::string, Handler, std::greater<>> handlers_;  // the longer of two prefixes first
  std::function<void()> when_left_;
  bool left_ = false;
  Members members_;
  Peers peers_;
};

}  // namespace godwit::sites
