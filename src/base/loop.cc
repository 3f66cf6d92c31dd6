#include "base/loop.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

namespace godwit {

namespace asio = boost::asio;

namespace {

// Completes on the caller's executor, whatever thread did the work. No cancellation slot is taken:
// the work holds references into the waiting coroutine, which therefore may not leave early.
template <typename Token>
auto AsyncRun(Pool& pool, asio::any_io_executor back, std::function<void()>& work, Token&& token) {
  return asio::async_initiate<Token, void(std::exception_ptr)>(
      [&pool, back, &work](auto handler) {
        asio::post(
            pool, [back, &work, handler = std::move(handler),
                   busy = asio::prefer(back, asio::execution::outstanding_work.tracked)]() mutable {
              std::exception_ptr escaped;
              try {
                work();
              } catch (...) {
                escaped = std::current_exception();
              }
              asio::post(busy, [handler = std::move(handler), escaped]() mutable {
                std::move(handler)(escaped);
              });
            });
      },
      token);
}

}  // namespace

asio::awaitable<void> RunOn(Pool& pool, std::function<void()> work) {
  const auto back = co_await asio::this_coro::executor;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await AsyncRun(pool, back, work, asio::use_awaitable);
  co_await asio::this_coro::throw_if_cancelled(throws);
}

}  // namespace godwit
