#pragma once

// CRIU inside an instance's walls, started before it is needed.
//
// Starting it takes as long as some of its work, so one waits for an instance that is at rest:
// kMostReady in a node, each for kKeepReady at most. It serves one dump or restore.
// Threads: the loop. Lifetime: Still() before the walls go. Failure: an Error that names the step;
// nothing is left running.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "checkpoint/criu.h"
#include "functions/codec.h"
#include "functions/workplace.h"
#include "sandbox/sandbox.h"

namespace godwit::functions {

// From which pid on CRIU is out of the way of who comes back.
int FirstDriverPid(const InstanceFacts& facts);

class CriuWorker {
 public:
  static constexpr int kForDump = 0;     // instead of a pid: what it dumps has its pids already
  static constexpr int kMostReady = 16;  // of a node
  static constexpr Nanos kKeepReady = std::chrono::seconds(30);

  CriuWorker(Workplace& workplace, uint32_t uid);
  CriuWorker(const CriuWorker&) = delete;
  CriuWorker& operator=(const CriuWorker&) = delete;
  ~CriuWorker();

  // Has one waiting inside `walls` with a pid of at least `first_pid`, if the node has room for it.
  boost::asio::awaitable<void> Prepare(sandbox::Sandbox& walls, int first_pid);
  // The one that waits, or a new one.
  boost::asio::awaitable<Result<checkpoint::Worker>> Take(sandbox::Sandbox& walls, int first_pid);
  // Ends the one that waits, if it has waited for long, or at once.
  void DropStale();
  void Drop();
  bool ready() const { return static_cast<bool>(ready_.channel); }
  // Waits until none is being started.
  boost::asio::awaitable<void> Still();

 private:
  boost::asio::awaitable<Result<checkpoint::Worker>> Start(sandbox::Sandbox& walls, int first_pid);

  Workplace& workplace_;
  uint32_t uid_;
  checkpoint::Worker ready_;
  int ready_pid_ = 0;  // inside
  SteadyTime ready_since_{};
  bool starting_ = false;
  boost::asio::steady_timer started_;  // cancelled when starting_ has ended
};

}  // namespace godwit::functions
