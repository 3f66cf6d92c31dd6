#pragma once

// A switch of TAP devices whose paths have limits: each ordered pair of ports is a Path of its own.
//
// It learns which address is behind which port, and sends what is for many, or for nobody that it
// knows, to all others. It sleeps in between: a timerfd wakes it when a frame is due.
//
// Threads: one runs Turn(); one other does all else. What makes, changes or ends a device may wait
// for the kernel for seconds on a busy machine, and frames do not wait for it. Failure: errors name
// the port.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "testbed/path.h"
#include "testbed/tap.h"

namespace godwit::testbed {

class Relay {
 public:
  static Result<std::unique_ptr<Relay>> Make(const Clock& clock);

  // Paths from and to it begin without limits.
  Result<> AddPort(const std::string& name, const std::string& space, const std::string& device);
  // Its device goes, and with it all that was on its way from or to it.
  Result<> DropPort(const std::string& name);
  bool HasPort(const std::string& name) const { return ports_.contains(name); }

  // By sender and receiver. Which there are is known without Hold(), what is in them with it.
  using Paths = std::map<std::pair<std::string, std::string>, Path>;
  const Paths& paths() const { return paths_; }
  // One that is there; with Hold().
  Path& At(const std::pair<std::string, std::string>& ends) { return paths_.at(ends); }
  // Where frames are lost, each counts for itself.
  Result<> TuneDevices();

  // While it is held no frame moves.
  std::unique_lock<std::mutex> Hold() { return std::unique_lock(mutex_); }

  // Waits until there is something to do, and does it.
  void Turn();

 private:
  Relay(const Clock& clock, Fd epoll, Fd timer)
      : clock_(clock), epoll_(std::move(epoll)), timer_(std::move(timer)) {}

  void ReadSome(const std::string& from, Tap& tap);
  void Deliver();
  void ArmTimer();

  const Clock& clock_;
  std::mutex mutex_;
  Fd epoll_;
  Fd timer_;
  std::map<std::string, Tap> ports_;
  Paths paths_;
  std::unordered_map<Mac, std::string> behind_;
  std::vector<char> buffer_ = std::vector<char>(size_t{1} << 17);
};

}  // namespace godwit::testbed
