#pragma once

// Brings sleepers back in time: the wake index, its timer, and how many come back side by side.
//
// Instances say when they are due (Workplace::wake_at); the waker asks whoever knows them to bring
// one back, and waits for that before it begins more than kSideBySide. Ways back that took longer
// than was said make all of the next begin earlier by as much, for a while: on a machine with much
// to do they are late together, and who is early only waits. Threads: the loop. Lifetime:
// Start() first, co_await Stop() last. Failure: none; a resume that fails says so itself, and is
// not tried again until its instance says that it is due again.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

#include "base/clock.h"
#include "base/gate.h"
#include "base/ids.h"
#include "checkpoint/wake_index.h"

namespace godwit::functions {

class Waker {
 public:
  static constexpr int kSideBySide = 3;
  static constexpr Nanos kFirstMargin = std::chrono::milliseconds(50);
  static constexpr Nanos kMostMargin = std::chrono::seconds(1);
  // Brings the instance back; returns when it is back, could not be, or does not sleep any more.
  using Wake = std::function<boost::asio::awaitable<void>(InstanceId)>;

  Waker(const boost::asio::any_io_executor& executor, const Clock& clock, Wake wake);

  void Start();
  // Begins no more, and waits for those on their way.
  boost::asio::awaitable<void> Stop();

  void Set(const InstanceId& id, SteadyTime due, Nanos cost);
  void Forget(const InstanceId& id) { index_.Erase(id); }

 private:
  boost::asio::awaitable<void> Watch();
  boost::asio::awaitable<void> BringBack(InstanceId id, Nanos cost);

  const Clock& clock_;
  Wake wake_;
  checkpoint::WakeIndex index_;
  boost::asio::steady_timer timer_;  // cancelled when there is something new to look at
  int waking_ = 0;
  Nanos margin_ = kFirstMargin;  // that all begin earlier
  bool stopping_ = false;
  Gate gate_;
};

}  // namespace godwit::functions
