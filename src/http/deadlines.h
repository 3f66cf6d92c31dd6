#pragma once

// A coarse watch over many waits: one timer for all of them, however often each is moved.
//
// Use it where nearly every wait ends well and a deadline only bounds the rest. Arm() is a store
// and a clock reading, no timer operation; every `tick` one pass looks at all watches. Nothing
// ticks while nothing is armed. Threads: one loop. Lifetime: watches go before their Deadlines.
// Failure: none; an expiry comes up to a tick late, never early.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace godwit::http {

class Deadlines {
 public:
  Deadlines(boost::asio::any_io_executor executor, Nanos tick);
  ~Deadlines();
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  class Watch {
   public:
    // `expired` is called on the loop; it may arm watches, and may not create or destroy any.
    Watch(Deadlines& deadlines, std::function<void()> expired);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Expires `after` from now, instead of whenever it was to. Zero: not at all.
    void Arm(Nanos after);
    void Disarm() { at_ = kNever; }

   private:
    friend class Deadlines;
    Deadlines& deadlines_;
    std::function<void()> expired_;
    std::chrono::steady_clock::time_point at_ = kNever;
    size_t place_;  // in Deadlines::watches_
  };

  // Forgets a pass that is to come although nothing is armed any more, so that the loop can end at
  // once.
  void Rest();
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  static constexpr auto kNever = std::chrono::steady_clock::time_point::max();
  void Tick();
  void Pass();

  boost::asio::any_io_executor executor_;
  Nanos tick_;
  std::vector<Watch*> watches_;
  bool ticking_ = false;
  boost::asio::steady_timer timer_;
  // Tells a timer handler that was already on its way that this object has gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace godwit::http
