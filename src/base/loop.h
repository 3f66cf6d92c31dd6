#pragma once

// The loop on which all of a node's state lives, and the pool for work that blocks.
//
// One thread runs the loop, and everything that is not said to be thread-safe belongs to it: no
// locks, no races. What waits for the kernel (CRIU, zstd, SQLite, fsync, walking a directory) goes
// to the pool:
//
//   GODWIT_CO_TRY(auto image, co_await Offload(pool, [&] { return ReadImage(path); }));
//
// The callable runs on a pool thread while the coroutine waits, so what it captures by reference
// stays alive. An Offload that has begun is always waited for: cancellation does not reach it, and
// the coroutine goes on on its own loop. Failure: an exception that leaves the callable is thrown
// again where Offload is awaited.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace godwit {

using Pool = boost::asio::thread_pool;

// Runs `work` on the pool and returns to the caller's executor when it has ended.
boost::asio::awaitable<void> RunOn(Pool& pool, std::function<void()> work);

template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> Offload(Pool& pool, Work work) {
  std::optional<std::invoke_result_t<Work&>> result;
  std::function<void()> task = [&result, &work] { result.emplace(work()); };
  co_await RunOn(pool, std::move(task));
  co_return *std::move(result);
}

}  // namespace godwit
