#pragma once

// Requests to the other nodes of the site, by name, over TLS of which both ends are sure.
//
// A few connections to each node are kept. The node's address and certificate are those of the
// registry: who answers in its place is not believed. Threads: one loop. Lifetime: Members outlives
// it; Close() before it is destroyed, then no call is under way. Failure: kNotFound: no member of
// that name; kClosing after Close(); else http/client.h's, each naming the node.
#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/client.h"
#include "http/tls.h"
#include "sites/members.h"

namespace godwit::sites {

class Peers {
 public:
  Peers(boost::asio::any_io_executor executor, Members& members, http::TlsContext tls);

  // As http::Client's. Any status that came is a success here.
  Answer<http::Response> Fetch(std::string node, http::Request request,
                               Nanos timeout = Nanos::zero());
  Answer<http::Response> FetchStream(std::string node, http::Request request,
                                     http::Client::Sink sink, Nanos timeout = Nanos::zero());
  // Cancels what is under way, and refuses what comes after.
  void Close();

 private:
  struct Line {
    std::unique_ptr<http::Client> client;
    std::string address;
    std::string fingerprint;
  };
  Answer<Line> Borrow(const std::string& node);
  void GiveBack(const std::string& node, Line line);

  boost::asio::any_io_executor executor_;
  Members& members_;
  http::TlsContext tls_;
  std::map<std::string, std::vector<Line>> idle_;
  std::set<http::Client*> calling_;
  bool closed_ = false;
};

}  // namespace godwit::sites
