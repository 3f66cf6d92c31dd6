#pragma once

// Takes over what a lost node has left, of which this node keeps copies.
//
// The lease of a node that is lost ends; then each node that keeps a copy of one of its instances,
// the first in the record at once, the others a while later, asks the registry for it, which gives
// it to one (Registry::TakeOver). Copies that the registry does not want kept any more go. Threads:
// the loop. Lifetime: co_await Close() before it is destroyed. Failure: logged; asked again while
// the owner stays away.
#include <boost/asio/awaitable.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/gate.h"
#include "functions/travel.h"
#include "sites/surroundings.h"

namespace godwit::sites {

class Failover {
 public:
  static constexpr Nanos kNextInLine = std::chrono::seconds(2);

  // Nobody takes anything over who has no lease. `around` and `travel` outlive it.
  using HoldsLease = std::function<bool()>;
  Failover(const Surroundings& around, functions::Travel& travel, HoldsLease holds_lease);

  void Start();
  // A copy of it has come, or its record has changed.
  void Look(const std::string& instance);
  boost::asio::awaitable<void> Close();

 private:
  void LookAtAll();
  void SendLookers();
  boost::asio::awaitable<void> Looking();
  boost::asio::awaitable<void> LookAgain();
  boost::asio::awaitable<bool> LookAt(functions::Replicas::View copy);
  boost::asio::awaitable<bool> Take(functions::Replicas::View copy, InstanceRecord record);

  const Surroundings& around_;
  functions::Travel& travel_;
  HoldsLease holds_lease_;
  std::set<std::string> alive_;
  std::map<std::string, SteadyTime> doubted_;  // copies that their records do not know: since when
  std::set<std::string> to_look_at_;           // instances
  std::set<std::string> again_;                // those of which nobody could say
  int looking_ = 0;
  bool known_ = false;  // who lives
  bool closing_ = false;
  Gate watches_;
  Gate gate_;
};

}  // namespace godwit::sites
