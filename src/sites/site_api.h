#pragma once

// What the node's own API says of its site: GET /godwit/v1/site, POST /godwit/v1/site/tokens, POST
// /godwit/v1/site/leave, DELETE /godwit/v1/site/members/NAME (docs/sites.md).
//
// Threads: the loop's. Lifetime: the Site, if there is one, outlives it. Failure: answers in the
// one form of Godwit's API; 404 for a node that belongs to no site.
#include <boost/asio/awaitable.hpp>

#include "http/message.h"
#include "sites/site.h"

namespace godwit::sites {

class SiteApi {
 public:
  // Until it follows one, the node belongs to none.
  void Follow(Site& site) { site_ = &site; }

  static bool Serves(const http::Request& request);
  boost::asio::awaitable<http::Response> Handle(http::Request request);

 private:
  Answer<http::Response> Answered(const http::Request& request);
  Answer<http::Response> List();
  Answer<http::Response> Token(const http::Request& request);

  Site* site_ = nullptr;
};

}  // namespace godwit::sites
