#pragma once

// The site of a node that belongs to one: its coordinator, registry, port and life.
//
// It is there iff DIR/site is. A coordinator that is away keeps no node from starting: it serves
// its functions, and says once that the site is not to be reached. Threads: the loop. Lifetime:
// what it is made of outlives it; Stop() before it is destroyed, if Start() was called. Failure: of
// Open(): what stands in DIR/site is broken, or the port is taken.
#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "base/gate.h"
#include "base/log.h"
#include "cli/config.h"
#include "http/server.h"
#include "sites/coordinator.h"
#include "sites/registry.h"
#include "sites/roaming.h"
#include "sites/site.h"

namespace godwit::node {

class SiteNode {
 public:
  // Null for a node that belongs to no site. Nothing runs before Start().
  // `passport`: what this machine offers to images.
  static Result<std::unique_ptr<SiteNode>> Open(boost::asio::any_io_executor executor, Pool& pool,
                                                const cli::NodeConfig& config,
                                                sites::Identity identity, std::string passport,
                                                const Clock& clock, Entropy& entropy, Log log);

  // Serves the port, and joins the life of the site.
  Result<> Start(functions::Platform& platform, functions::Travel& travel, sites::Roaming::Api api);
  functions::Abroad& abroad() { return *roaming_; }
  // The node stops: nobody waits for the site's word any more. Before the platform's Stop().
  void Stopping() { roaming_->Stopping(); }
  // Whether or not it has started.
  boost::asio::awaitable<void> Stop();

  sites::Site& site() { return *site_; }

 private:
  SiteNode(boost::asio::any_io_executor executor, Log log);
  boost::asio::awaitable<void> Live();
  boost::asio::awaitable<void> Depart();

  boost::asio::any_io_executor executor_;
  Log log_;
  sites::Identity identity_;
  std::unique_ptr<sites::Coordinator> coordinator_;
  std::unique_ptr<sites::Registry> registry_;
  std::unique_ptr<sites::Site> site_;
  std::unique_ptr<sites::Roaming> roaming_;
  std::unique_ptr<http::Server> server_;
  Fd door_;
  Gate gate_;
};

}  // namespace godwit::node
