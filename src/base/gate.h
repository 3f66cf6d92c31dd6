#pragma once

// The door of a component that works in the background, and the only way to start such work.
//
// Then shutting down is `co_await gate.Close()`, and nothing that the work uses is destroyed under
// it. A Gate is the last member of its owner. Threads: one loop. Lifetime: destroyed with somebody
// inside, it aborts. Failure: Spawn() gives kClosing once Close() began; an exception that leaves a
// task ends the process with its text.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "base/error.h"

namespace godwit {

class Gate {
 public:
  explicit Gate(boost::asio::any_io_executor executor);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Runs `task` until it ends or Close() cancels it at its next wait. Called on the loop, it begins
  // at once: what `task` does before its first wait is done when Spawn() returns.
  Result<> Spawn(boost::asio::awaitable<void> task);
  // Lets nobody in, cancels all inside, returns when the last has left. May be called twice.
  boost::asio::awaitable<void> Close();
  // Lets nobody in, cancels nobody, returns when the last has left.
  boost::asio::awaitable<void> Drain();
  size_t inside() const { return inside_.size(); }

 private:
  boost::asio::awaitable<void> Empty();

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer emptied_;  // cancelled when the last task leaves
  std::list<boost::asio::cancellation_signal> inside_;
  bool closing_ = false;
};

}  // namespace godwit
