#include "http/deadlines.h"

#include <algorithm>
#include <utility>

namespace godwit::http {

using std::chrono::steady_clock;

Deadlines::Deadlines(boost::asio::any_io_executor executor, Nanos tick)
    : executor_(std::move(executor)), tick_(tick), timer_(executor_) {}

Deadlines::~Deadlines() = default;

void Deadlines::Tick() {
  ticking_ = true;
  timer_.expires_after(tick_);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failed) {
    if (!failed && !alive.expired()) Pass();
  });
}

void Deadlines::Rest() {
  if (!ticking_ || std::ranges::any_of(watches_, [](Watch* watch) { return watch->at_ != kNever; }))
    return;
  ticking_ = false;
  timer_.cancel();
}

void Deadlines::Pass() {
  ticking_ = false;
  const auto now = steady_clock::now();
  bool armed = false;
  for (Watch* watch : watches_) {
    if (watch->at_ <= now) {
      watch->Disarm();
      watch->expired_();
    }
    armed |= watch->at_ != kNever;
  }
  if (armed && !ticking_) Tick();
}

Deadlines::Watch::Watch(Deadlines& deadlines, std::function<void()> expired)
    : deadlines_(deadlines), expired_(std::move(expired)), place_(deadlines.watches_.size()) {
  deadlines_.watches_.push_back(this);
}

Deadlines::Watch::~Watch() {
  Watch* last = deadlines_.watches_.back();
  last->place_ = place_;
  deadlines_.watches_[place_] = last;
  deadlines_.watches_.pop_back();
}

void Deadlines::Watch::Arm(Nanos after) {
  constexpr Nanos kFarthest = std::chrono::years(10);  // beyond it a sum could overflow
  at_ = after > Nanos::zero() ? steady_clock::now() + std::min(after, kFarthest) : kNever;
  if (!deadlines_.ticking_ && at_ != kNever) deadlines_.Tick();
}

}  // namespace godwit::http
