#include "testbed/path.h"

#include <algorithm>

namespace godwit::testbed {
namespace {

constexpr double kSecond = 1e9;

Nanos TimeOf(uint64_t bytes, uint64_t rate) {
  return Nanos(
      static_cast<int64_t>(static_cast<double>(bytes) * 8 * kSecond / static_cast<double>(rate)));
}

}  // namespace

double Draws::Next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

void Path::Set(const Limits& limits) {
  limits_ = limits;
  losses_ = Draws(limits.seed);
  jitters_ = Draws(~limits.seed);
}

void Path::Cut() {
  up_ = false;
  counts_.cut += held_frames_;
  queue_.clear();
  held_bytes_ = held_frames_ = 0;
  free_ = last_due_ = {};
}

void Path::Offer(SteadyTime now, std::string_view frame) {
  const OnWire wire = Measure(frame);
  counts_.offered += wire.frames;
  counts_.offered_bytes += wire.bytes;
  if (!up_) {
    counts_.cut += wire.frames;
    return;
  }
  if (limits_.loss > 0 && losses_.Next() < limits_.loss) {
    counts_.lost += wire.frames;
    return;
  }
  SteadyTime left = now;
  if (limits_.rate > 0) {
    const SteadyTime begins = std::max(now, free_);
    // A frame that finds the wire free has no need of the queue.
    if (begins > now && begins - now > TimeOf(limits_.queue, limits_.rate)) {
      counts_.overflowed += wire.frames;
      return;
    }
    left = begins + TimeOf(wire.bytes, limits_.rate);
  }
  if (held_bytes_ + frame.size() > kMostHeld) {
    counts_.overflowed += wire.frames;
    return;
  }
  free_ = left;
  SteadyTime due = left + limits_.delay;
  if (limits_.jitter > Nanos(0)) {
    const double part = jitters_.Next() * 2 - 1;
    due = due + Nanos(static_cast<int64_t>(part * static_cast<double>(limits_.jitter.count())));
  }
  last_due_ = std::max({due, last_due_, left});
  held_bytes_ += frame.size();
  held_frames_ += wire.frames;
  queue_.push_back({last_due_, std::string(frame), wire});
}

std::optional<SteadyTime> Path::NextDue() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.front().due;
}

std::optional<Path::Held> Path::Take(SteadyTime now) {
  if (queue_.empty() || queue_.front().due > now) return std::nullopt;
  Held frame = std::move(queue_.front());
  queue_.pop_front();
  held_bytes_ -= frame.bytes.size();
  held_frames_ -= frame.wire.frames;
  return frame;
}

void Path::Delivered(const Held& frame, SteadyTime now) {
  counts_.delivered += frame.wire.frames;
  counts_.delivered_bytes += frame.wire.bytes;
  if (now - frame.due > kLate) counts_.late += frame.wire.frames;
  counts_.latest = std::max(counts_.latest, now - frame.due);
}

}  // namespace godwit::testbed
