#include "base/turns.h"

#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <vector>

namespace godwit {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;

class TurnsTest : public testing::Test {
 protected:
  // Holds `name` for some turns of the loop.
  asio::awaitable<void> Work(std::string name, std::string who) {
    const Turns::Held mine = co_await turns_.Take(std::move(name));
    said_.push_back(who + " begins");
    for (int turn = 0; turn < 3; ++turn) co_await asio::post(loop_, asio::use_awaitable);
    said_.push_back(who + " ends");
  }

  asio::io_context loop_{1};
  Turns turns_{loop_.get_executor()};
  std::vector<std::string> said_;
};

TEST_F(TurnsTest, OneNameIsHeldByOneAtATime) {
  for (const char* who : {"a", "b", "c"}) asio::co_spawn(loop_, Work("x", who), asio::detached);
  loop_.run();
  EXPECT_THAT(said_, ElementsAre("a begins", "a ends", "b begins", "b ends", "c begins", "c ends"));
}

TEST_F(TurnsTest, NamesDoNotHinderEachOther) {
  for (const char* who : {"a", "b"}) asio::co_spawn(loop_, Work(who, who), asio::detached);
  loop_.run();
  EXPECT_THAT(said_, ElementsAre("a begins", "b begins", "a ends", "b ends"));
}

TEST_F(TurnsTest, WhoDoesNotWaitIsTold) {
  {
    const auto held = turns_.TryTake("x");
    EXPECT_TRUE(held);
    EXPECT_FALSE(turns_.TryTake("x"));
    EXPECT_TRUE(turns_.TryTake("y"));
  }
  EXPECT_TRUE(turns_.TryTake("x"));
}

TEST_F(TurnsTest, WhoIsCancelledLeavesTheTurnToOthers) {
  auto held = turns_.TryTake("x");
  asio::cancellation_signal signal;
  bool threw = false;
  asio::co_spawn(loop_, Work("x", "a"),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr escaped) {
                   threw = escaped != nullptr;
                 }));
  asio::co_spawn(loop_, Work("x", "b"), asio::detached);
  loop_.poll();
  signal.emit(asio::cancellation_type::terminal);
  loop_.poll();
  EXPECT_TRUE(threw);
  held.reset();
  loop_.run();
  EXPECT_THAT(said_, ElementsAre("b begins", "b ends"));
}

}  // namespace
}  // namespace godwit
