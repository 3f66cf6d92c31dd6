#pragma once

// One direction between two ports of the relay: when a frame that came in goes out, or that it
// never does.
//
// A frame waits for its turn at the path's rate, takes `delay` from when its last bit has left, and
// does not overtake. Time is handed in, so that a test needs no clock. Threads: one. Failure: none;
// a frame that does not get through is counted by what became of it.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "testbed/framing.h"
#include "testbed/limits.h"

namespace godwit::testbed {

// The generator splitmix64 (Steele, Lea, Flood 2014): a test in any language can follow it.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  double Next();  // in [0, 1), of 53 bits

 private:
  uint64_t state_;
};

inline constexpr Nanos kLate = std::chrono::microseconds(100);

// Frames are counted as they would be on an Ethernet. What was offered is delivered, lost,
// overflowed, cut, refused or still held.
struct Counts {
  uint64_t offered = 0, offered_bytes = 0;
  uint64_t delivered = 0, delivered_bytes = 0;
  uint64_t lost = 0;        // by chance
  uint64_t overflowed = 0;  // no room in the queue
  uint64_t cut = 0;         // came while the path was cut, or was on its way then
  uint64_t refused = 0;     // the target's kernel would not take it
  uint64_t late = 0;        // of those delivered, more than kLate after their time
  Nanos latest{};           // how long after its time a frame was delivered, at worst
};

class Path {
 public:
  struct Held {
    SteadyTime due;
    std::string bytes;
    OnWire wire;
  };

  explicit Path(Limits limits = {}) { Set(limits); }

  // For frames that come from now on. The draws begin anew.
  void Set(const Limits& limits);
  const Limits& limits() const { return limits_; }

  // What is on its way is gone with a cut.
  void Cut();
  void Heal() { up_ = true; }
  bool up() const { return up_; }

  void Offer(SteadyTime now, std::string_view frame);

  std::optional<SteadyTime> NextDue() const;
  // The next frame if its time has come. The caller says what became of it.
  std::optional<Held> Take(SteadyTime now);
  void Delivered(const Held& frame, SteadyTime now);
  void Refused(const Held& frame) { counts_.refused += frame.wire.frames; }

  const Counts& counts() const { return counts_; }
  // Of frames that are held.
  uint64_t held() const { return held_frames_; }

 private:
  static constexpr uint64_t kMostHeld = uint64_t{256} << 20;  // bytes, whatever the limits say

  Limits limits_;
  Draws losses_{0}, jitters_{0};
  bool up_ = true;
  SteadyTime free_{};  // when the last frame that was taken has left
  SteadyTime last_due_{};
  std::deque<Held> queue_;
  uint64_t held_bytes_ = 0, held_frames_ = 0;
  Counts counts_;
};

}  // namespace godwit::testbed
