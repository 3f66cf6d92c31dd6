#include "functions/waker.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

constexpr int kForgets = 64;  // of the margin, one part at each way back

}  // namespace

Waker::Waker(const asio::any_io_executor& executor, const Clock& clock, Wake wake)
    : clock_(clock),
      wake_(std::move(wake)),
      timer_(executor, asio::steady_timer::time_point::max()),
      gate_(executor) {}

void Waker::Start() { static_cast<void>(gate_.Spawn(Watch())); }

asio::awaitable<void> Waker::Stop() {
  stopping_ = true;
  timer_.cancel();
  co_await gate_.Drain();
}

void Waker::Set(const InstanceId& id, SteadyTime due, Nanos cost) {
  index_.Set(id, due, cost);
  timer_.cancel();
}

// Begins early enough that none is late: see WakeIndex.
asio::awaitable<void> Waker::Watch() {
  while (!stopping_) {
    const auto start =
        waking_ < kSideBySide ? index_.NextStart(kSideBySide, margin_) : std::nullopt;
    const Nanos left = start ? *start - clock_.Steady() : Nanos::max();
    if (left <= Nanos(0)) {
      const Nanos cost = index_.FirstCost();
      if (const auto id = index_.Pop()) {
        ++waking_;
        static_cast<void>(gate_.Spawn(BringBack(*id, cost)));
      }
      continue;
    }
    if (start) {
      timer_.expires_after(left);
    } else {
      timer_.expires_at(asio::steady_timer::time_point::max());
    }
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<void> Waker::BringBack(InstanceId id, Nanos cost) {
  const SteadyTime begun = clock_.Steady();
  co_await wake_(std::move(id));
  // One that is due at once costs nothing: nobody said how long it takes.
  const Nanos longer = cost > Nanos(0) ? clock_.Steady() - begun - cost : Nanos(0);
  margin_ = std::max(margin_ - margin_ / kForgets, std::min(longer, kMostMargin));
  --waking_;
  timer_.cancel();
}

}  // namespace godwit::functions
