#pragma once

// Looks now and then whether the node's memory has grown, and gives back what of it is free.
//
// What a burst needed (many suspensions, a long list for `godwit ps`) is freed in pieces between
// others, which the allocator would keep. Threads: the loop; the work itself is the pool's.
// Lifetime: Start() first, co_await Stop() last. Failure: none.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/gate.h"
#include "base/loop.h"

namespace godwit::node {

class MemoryTidier {
 public:
  MemoryTidier(boost::asio::any_io_executor executor, Pool& pool);

  void Start();
  boost::asio::awaitable<void> Stop();

 private:
  boost::asio::awaitable<void> Watch();

  Pool& pool_;
  boost::asio::steady_timer pause_;
  Gate gate_;
};

}  // namespace godwit::node
