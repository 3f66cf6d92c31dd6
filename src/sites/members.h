#pragma once

// Who belongs to the site, as this node knows it: the registry's members, kept up to date.
//
// A member that the coordinator has told of is known without asking it again, so that nodes go on
// talking while it is away. Who is not known is asked for once more, and so is nobody who was told
// to be gone. Threads: one loop. Lifetime: the Registry outlives it; Stop() before it is destroyed.
// Failure: kNotFound: no member (it was evicted, or has left); the registry's.
#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <string>

#include "base/gate.h"
#include "http/message.h"
#include "sites/registry.h"

namespace godwit::sites {

class Members {
 public:
  Members(boost::asio::any_io_executor executor, Registry& registry);

  Result<> Start();
  boost::asio::awaitable<void> Stop();

  Answer<Member> Find(std::string name);
  // Whether this certificate is that of the member that it names. kDenied, with the reason.
  Answer<> Admit(http::Identity peer);

 private:
  boost::asio::awaitable<void> Watch();

  Registry& registry_;
  std::map<std::string, Member> known_;
  Gate gate_;
};

}  // namespace godwit::sites
