#pragma once

// What every part of a node's life in its site needs, made once by node/ and passed down.
//
// Threads: constant after start-up; what it refers to says its own. Lifetime: outlives the parts.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/loop.h"
#include "sites/peer_link.h"
#include "sites/registry.h"

namespace godwit::sites {

struct Surroundings {
  boost::asio::any_io_executor executor;
  Registry& registry;
  PeerLink& link;
  Pool& pool;
  Entropy& entropy;
  const Clock& clock;
  Log log;
  std::string node;      // this one's name
  std::string passport;  // of this machine (passport.h)

  // Between two tries of the same; shorter if it is cancelled.
  boost::asio::awaitable<void> Pause(Nanos span) const {
    boost::asio::steady_timer timer(executor, span);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
};

}  // namespace godwit::sites
