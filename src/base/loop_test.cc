#include "base/loop.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>
#include <thread>

#include "base/try.h"

namespace godwit {
namespace {

namespace asio = boost::asio;

void RunToEnd(asio::io_context& loop, std::function<asio::awaitable<void>()> script) {
  bool done = false;
  asio::co_spawn(
      loop,
      [&]() -> asio::awaitable<void> {
        co_await script();
        done = true;
      },
      [](std::exception_ptr escaped) {
        if (escaped) std::rethrow_exception(escaped);
      });
  loop.run();
  EXPECT_TRUE(done);
}

TEST(LoopTest, WorkRunsOnThePoolAndTheCoroutineComesBackToItsLoop) {
  asio::io_context loop(1);
  Pool pool(2);
  const auto here = std::this_thread::get_id();
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    const auto there = co_await Offload(pool, [] { return std::this_thread::get_id(); });
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
  });
}

TEST(LoopTest, ErrorsAndExceptionsComeBack) {
  asio::io_context loop(1);
  Pool pool(1);
  RunToEnd(loop, [&]() -> asio::awaitable<void> {
    const Result<int> failed = co_await Offload(
        pool, []() -> Result<int> { return Fail(Code::kNoSpace, "the disk is full"); });
    EXPECT_EQ(failed.error().code(), Code::kNoSpace);
    bool thrown = false;
    try {
      co_await Offload(pool, []() -> int { throw std::runtime_error("library"); });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

}  // namespace
}  // namespace godwit
