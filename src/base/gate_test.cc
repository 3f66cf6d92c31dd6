#include "base/gate.h"

#include <gmock/gmock.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <type_traits>

namespace godwit {
namespace {

namespace asio = boost::asio;
using std::chrono_literals::operator""ms;

static_assert(!std::is_move_constructible_v<Gate>, "tasks hold a pointer to their gate");

class Ticker {
 public:
  explicit Ticker(asio::any_io_executor executor) : executor_(executor), gate_(executor) {}

  [[nodiscard]] Result<> Start() { return gate_.Spawn(Tick()); }
  [[nodiscard]] asio::awaitable<void> Stop() { return gate_.Close(); }
  int ticks() const { return ticks_; }

 private:
  asio::awaitable<void> Tick() {
    asio::steady_timer timer(executor_);
    while (true) {
      timer.expires_after(1ms);
      auto [cancelled] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      if (cancelled) co_return;
      ++ticks_;
    }
  }

  asio::any_io_executor executor_;
  int ticks_ = 0;
  Gate gate_;  // the last member: closed and gone before what its tasks use
};

TEST(GateTest, CloseWaitsForTheLastAndThenLetsNobodyIn) {
  asio::io_context loop(1);
  bool done = false;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        Ticker ticker(loop.get_executor());
        EXPECT_TRUE(ticker.Start().has_value());
        EXPECT_TRUE(ticker.Start().has_value());
        asio::steady_timer timer(loop, 1ms);
        while (ticker.ticks() < 4) {
          timer.expires_after(1ms);
          co_await timer.async_wait(asio::use_awaitable);
        }
        co_await ticker.Stop();
        EXPECT_EQ(ticker.Start().error().code(), Code::kClosing);
        co_await ticker.Stop();
        done = true;
      },
      [](std::exception_ptr escaped) {
        if (escaped) std::rethrow_exception(escaped);
      });
  loop.run();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace godwit
