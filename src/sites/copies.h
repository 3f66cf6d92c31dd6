#pragma once

// Keeps a copy of each call that is put away here on other nodes, in case this one is lost.
//
// What is put away is sent in the background, one after the other; when the other node has it safe,
// the registry's record of the instance says so, and from then on that node may take it over once
// this one's lease has ended (failover.h). Threads: the loop. Lifetime: co_await Close() before it
// is destroyed. Failure: logged once for each instance; it is tried again at its next suspension.
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "base/gate.h"
#include "functions/travel.h"
#include "sites/sender.h"
#include "sites/surroundings.h"

namespace godwit::sites {

class Copies {
 public:
  // `wanted`: copies of each. `around` and `travel` outlive it.
  Copies(const Surroundings& around, functions::Travel& travel, int wanted);

  // Makes an instance known to the site, if it is not yet: its epoch.
  boost::asio::awaitable<Result<int64_t>> Register(const InstanceId& id);
  void WasPutAway(const InstanceId& id);
  // Its call has: the copies are of no use any more, and the registry is told until it knows.
  void CallEnded(const InstanceId& id, int64_t epoch);
  // Others may have a copy of it.
  void NoteCopied(const InstanceId& id) { copied_.insert(id.text); }
  bool IsCopied(const InstanceId& id) const { return copied_.contains(id.text); }
  boost::asio::awaitable<void> Close();

 private:
  boost::asio::awaitable<void> Work();
  // Until the site knows, or there is a copy of a later call.
  boost::asio::awaitable<void> NotWanted(std::string instance, int64_t epoch);
  boost::asio::awaitable<Result<>> Copy(const InstanceId& id);
  boost::asio::awaitable<Result<>> SendTo(const std::string& node, functions::Departure& departure,
                                          int64_t epoch);
  boost::asio::awaitable<Result<std::vector<std::string>>> Choose(const std::string& instance);

  const Surroundings& around_;
  functions::Travel& travel_;
  const int wanted_;
  std::deque<InstanceId> waiting_;
  std::set<std::string> copied_;  // by instance
  int working_ = 0;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace godwit::sites
