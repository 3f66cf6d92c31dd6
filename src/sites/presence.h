#pragma once

// A node's own life in the registry: holds its lease, and knows by its own clock when that may
// have ended.
//
// The lease is kept alive every third of its time. It counts from before the last keep-alive that
// was answered was sent, by the steady clock, less a hundredth for clocks that run differently: so
// this node says 'lost' before the coordinator says 'gone', whatever the wall clock does. With
// that, who has lost its lease stops in time; that nothing is done twice rests on the epochs alone.
//
// `holder` says which run this is: the same holder, as after a restart of the same store, takes
// its own old lease's place at once; any other waits until that has ended, and says so in the log:
// two nodes with one name do not live at the same time.
//
// Threads: one loop. Lifetime: the Registry outlives it; Leave() or Stop() before it is destroyed.
// Failure: none is returned: it tries on, and logs once why it cannot.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/gate.h"
#include "base/log.h"
#include "sites/registry.h"

namespace godwit::sites {

class Presence {
 public:
  struct Hooks {
    // The lease may have ended: others may take over what they have replicas of.
    std::function<void()> lost;
    // It is held (again): ask the registry who owns what before anything goes on.
    std::function<void()> back;
  };
  struct Identity {
    std::string name;
    std::string holder;
  };
  static constexpr Nanos kTtl = std::chrono::seconds(10);

  Presence(boost::asio::any_io_executor executor, Registry& registry, const Clock& clock, Log log,
           Identity identity, Hooks hooks, Nanos ttl = kTtl);

  // Begins; `back` is called when the lease is held. kClosing.
  Result<> Start();
  // By the clock, at this moment, whether or not `lost` was called yet.
  bool held() const;
  // Gives the lease back, so that others see at once that this node is gone; bounded in time.
  boost::asio::awaitable<void> Leave();
  // Lets the lease run out.
  boost::asio::awaitable<void> Stop();

 private:
  boost::asio::awaitable<void> Run();
  boost::asio::awaitable<void> Watch();
  Answer<> Take();
  Answer<> Beat();
  void Hold(LeaseId lease, SteadyTime since, Nanos ttl);
  void Lose(const std::string& why);

  Registry& registry_;
  const Clock& clock_;
  Log log_;
  Identity identity_;
  Hooks hooks_;
  Nanos ttl_;
  std::string key_;
  LeaseId lease_{};          // zero: none yet
  SteadyTime until_{};       // held before then
  bool told_held_ = false;   // what the hooks were told last
  bool complained_ = false;  // since it went well
  boost::asio::steady_timer beat_;
  boost::asio::steady_timer end_;
  Gate gate_;
};

}  // namespace godwit::sites
