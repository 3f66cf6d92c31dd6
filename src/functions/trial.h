#pragma once

// Runs a function once, in an instance of its own, and puts that into each tier and back, to see
// what a wait would cost and what stands in the way: `godwit doctor FUNCTION`.
//
// The moves are those of every instance, not a rehearsal. A trial's instance is in nobody's crew,
// so nobody's call is disturbed, and none comes to it but its own. It takes a place among those of
// its function, and memory of the node's budget, as any other. The store knows nothing of it, and
// it ends with the trial, or with the node. Threads: the loop. Lifetime: co_await Close() before it
// is destroyed. Failure: kBusy if kAtOnce are under way, the function has as many instances as it
// may, or there is no room and none can be made; kUnavailable if the function does not start,
// kConflict if it is changed meanwhile, kClosing; all else is in the report.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <list>
#include <memory>

#include "base/gate.h"
#include "functions/crew.h"
#include "functions/platform.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Trial;

class Trials {
 public:
  static constexpr size_t kAtOnce = 4;

  // `current` says whether this is still what is deployed under its name.
  Trials(Workplace& workplace, std::function<bool(const Function&)> current);
  ~Trials();

  // Waits a moment for memory, which may be given back by others meanwhile.
  boost::asio::awaitable<Result<TrialReport>> Try(std::shared_ptr<Crew> crew, TrialRequest request);
  // Ten times a second.
  void Tick();
  // Those under way end now.
  boost::asio::awaitable<void> Close();

 private:
  boost::asio::awaitable<Result<>> AwaitPlace(const Crew& crew);

  Workplace& work_;
  std::function<bool(const Function&)> current_;
  std::list<std::shared_ptr<Trial>> trials_;
  Gate gate_;
};

}  // namespace godwit::functions
