#include "node/memory_tidier.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/memory.h"

namespace godwit::node {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr auto kLookEvery = 2s;
constexpr uint64_t kWorthIt = 2 << 20;  // bytes more than after the last time

}  // namespace

MemoryTidier::MemoryTidier(asio::any_io_executor executor, Pool& pool)
    : pool_(pool), pause_(executor), gate_(executor) {}

void MemoryTidier::Start() { static_cast<void>(gate_.Spawn(Watch())); }

asio::awaitable<void> MemoryTidier::Stop() { co_await gate_.Close(); }

asio::awaitable<void> MemoryTidier::Watch() {
  uint64_t tidy = 0;
  while (true) {
    const uint64_t now = ResidentBytes();
    if (now > tidy + kWorthIt) {
      tidy = co_await Offload(pool_, [] {
        ReturnFreeMemory();
        return ResidentBytes();
      });
    }
    tidy = std::min(tidy, now);
    pause_.expires_after(kLookEvery);
    const auto [cancelled] = co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled) co_return;
  }
}

}  // namespace godwit::node
