#pragma once

// Sends instances of this node to others: what is asked first, what is sent while it runs, what
// when it stands still, and whose it is when an answer is lost.
//
//   offer → (runs on) pages that are likely → put away → pages, rest, luggage → the target commits
//   owner and epoch in the registry, and it goes on there → its row goes here.
//
// Until the target has committed, it is this node's, whole, on disk. If no answer comes, the
// registry is asked until it says whose it is; if it is still this node's, the epoch is renewed
// first, so that the target cannot commit any more (docs/adr/0016). Threads: the loop. Lifetime:
// co_await Close() before it is destroyed. Failure: of Migrate(): why; then it goes on here, unless
// the text says otherwise.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <set>
#include <string>

#include "base/gate.h"
#include "base/log.h"
#include "base/loop.h"
#include "functions/abroad.h"
#include "functions/travel.h"
#include "sites/peer_link.h"
#include "sites/registry.h"
#include "sites/sender.h"

namespace godwit::sites {

class Migrations {
 public:
  struct Surroundings {
    boost::asio::any_io_executor executor;
    functions::Travel& travel;
    Registry& registry;
    PeerLink& link;
    Pool& pool;
    const Clock& clock;
    Log log;
    std::string node;      // this one
    std::string passport;  // what images of this machine want (passport.h)
    // Makes an instance known to the site: its epoch.
    std::function<boost::asio::awaitable<Result<int64_t>>(const InstanceId&)> make_known;
  };
  explicit Migrations(Surroundings surroundings);

  boost::asio::awaitable<Result<functions::Journey>> Migrate(InstanceId id, std::string to,
                                                             std::string mode);
  bool IsUnderWay(const InstanceId& id) const { return under_way_.contains(id.text); }
  boost::asio::awaitable<void> Close();

 private:
  struct Way;
  boost::asio::awaitable<Result<>> Prepare(Way& way);
  boost::asio::awaitable<Result<>> Send(Way& way, functions::Departure& departure);
  // Whether the target has it; waits until that is known. kClosing.
  boost::asio::awaitable<Result<bool>> IsThere(const Way& way);

  Surroundings around_;
  std::set<std::string> under_way_;
  bool closing_ = false;
  boost::asio::steady_timer retry_;
  Gate gate_;
};

}  // namespace godwit::sites
