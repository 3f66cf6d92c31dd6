#pragma once

// How one node of a site speaks to another, by name: HTTP over mutual TLS (peers.h), or anything
// else in a test.
//
// Threads: the loop. Failure: kUnavailable, kTimeout: it is not known whether the other node has
// got it; any status that came is a success here.
#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "http/message.h"

namespace godwit::sites {

class PeerLink {
 public:
  PeerLink() = default;
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;
  virtual ~PeerLink() = default;

  // A timeout of zero is none.
  virtual boost::asio::awaitable<Result<http::Response>> Fetch(std::string node,
                                                               http::Request request,
                                                               Nanos timeout) = 0;
};

}  // namespace godwit::sites
