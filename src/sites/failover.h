#pragma once

// Takes over what a lost node has left, of which this node keeps copies.
//
// The lease of a node that is lost ends; then each node that keeps a copy of one of its instances,
// the first in the record at once, the others a while later, asks the registry for it, which gives
// it to one (Registry::TakeOver). Copies that the registry does not want kept any more go. Threads:
// the loop. Lifetime: co_await Close() before it is destroyed. Failure: logged; asked again while
// the owner stays away.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "functions/travel.h"
#include "sites/registry.h"

namespace godwit::sites {

class Failover {
 public:
  static constexpr Nanos kNextInLine = std::chrono::seconds(2);

  struct Surroundings {
    boost::asio::any_io_executor executor;
    functions::Travel& travel;
    Registry& registry;
    const Clock& clock;
    Log log;
    std::string node;                   // this one
    std::function<bool()> holds_lease;  // nobody takes anything over who has none
  };
  explicit Failover(Surroundings surroundings);

  void Start();
  boost::asio::awaitable<void> Close();

 private:
  void Look();
  boost::asio::awaitable<void> LookAtAll();
  boost::asio::awaitable<bool> LookAt(functions::Replicas::View copy);
  boost::asio::awaitable<bool> Take(functions::Replicas::View copy, InstanceRecord record);

  Surroundings around_;
  std::set<std::string> alive_;
  std::map<std::string, SteadyTime> doubted_;  // copies that their records do not know: since when
  bool known_ = false;                         // who lives
  bool looking_ = false;
  bool again_ = false;
  bool closing_ = false;
  Gate watches_;
  Gate gate_;
};

}  // namespace godwit::sites
