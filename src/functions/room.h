#pragma once

// Room in memory: measures what all instances hold, makes some when it gets scarce, and lets starts
// wait for it.
//
// The decisions are placement/governor.h's; here they are carried out. Nothing is killed for room,
// and a start that nobody can make room for is let through when nobody else is awake. Threads: the
// loop. Lifetime: within that of the crews. Failure: none; what stands in the way is said once in
// the log.
#include <functional>
#include <string>

#include "functions/instance.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Room {
 public:
  using ForEach = std::function<void(const std::function<void(Instance&)>&)>;
  Room(Workplace& workplace, ForEach each) : work_(workplace), each_(std::move(each)) {}

  // Ten times a second.
  void Tick();
  // Whether one more instance of `function` may start now; if not, room is made for it.
  bool MayStart(const std::string& function);

 private:
  void Measure();
  void Make();
  uint64_t Needs(const std::string& function) const;

  Workplace& work_;
  ForEach each_;
  uint64_t wanted_ = 0;  // by who waits, since the last look
  int ticks_ = 0;
  bool said_ = false;
};

}  // namespace godwit::functions
