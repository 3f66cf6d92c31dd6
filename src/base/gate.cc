#include "base/gate.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace godwit {

namespace asio = boost::asio;

Gate::Gate(asio::any_io_executor executor)
    : executor_(std::move(executor)), emptied_(executor_, asio::steady_timer::time_point::max()) {}

Gate::~Gate() {
  if (!inside_.empty()) std::abort();
}

Result<> Gate::Spawn(asio::awaitable<void> task) {
  if (closing_) return Fail(Code::kClosing, "the gate is closed");
  const auto place = inside_.emplace(inside_.end());
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot(place->slot(), [this, place](std::exception_ptr escaped) {
        inside_.erase(place);
        if (inside_.empty()) emptied_.cancel();
        if (!escaped) return;
        try {
          std::rethrow_exception(escaped);
        } catch (const boost::system::system_error& error) {
          if (closing_ && error.code() == asio::error::operation_aborted) return;
          std::fprintf(stderr, "godwit: a background task failed: %s\n", error.what());
        } catch (const std::exception& error) {
          std::fprintf(stderr, "godwit: a background task failed: %s\n", error.what());
        }
        std::abort();
      }));
  return {};
}

asio::awaitable<void> Gate::Close() {
  closing_ = true;
  for (auto& signal : inside_) signal.emit(asio::cancellation_type::terminal);
  co_await Empty();
}

asio::awaitable<void> Gate::Drain() {
  closing_ = true;
  co_await Empty();
}

asio::awaitable<void> Gate::Empty() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!inside_.empty()) co_await emptied_.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace godwit
