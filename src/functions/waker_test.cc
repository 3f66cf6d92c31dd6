#include "functions/waker.h"

#include <gmock/gmock.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <string>
#include <vector>

namespace godwit::functions {
namespace {

namespace asio = boost::asio;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::ElementsAre;
using testing::IsEmpty;

class WakerTest : public testing::Test {
 protected:
  void SetUp() override { waker_.Start(); }
  void TearDown() override {
    for (auto& [id, back] : on_their_way_) back.cancel();
    asio::co_spawn(loop_, waker_.Stop(), asio::detached);
    loop_.restart();
    loop_.run();
  }

  void Set(const std::string& id, Nanos from_now) {
    waker_.Set({id}, clock_.Steady() + from_now, Nanos(0));
  }
  void Turn() {
    loop_.restart();
    loop_.poll();
  }
  void ComesBack(const std::string& id) {
    on_their_way_.at(id).cancel();
    Turn();
  }

  asio::awaitable<void> Wake(InstanceId id) {
    began_.push_back(id.text);
    auto& back = on_their_way_.try_emplace(id.text, loop_, asio::steady_timer::time_point::max())
                     .first->second;
    co_await back.async_wait(asio::as_tuple(asio::use_awaitable));
    on_their_way_.erase(id.text);
  }

  asio::io_context loop_{1};
  SystemClock clock_;
  std::vector<std::string> began_;
  std::map<std::string, asio::steady_timer> on_their_way_;
  Waker waker_{loop_.get_executor(), clock_, [this](InstanceId id) { return Wake(std::move(id)); }};
};

TEST_F(WakerTest, WhoIsDueIsWokenTheEarliestFirst) {
  Set("b", -1h);
  Set("a", -2h);
  Turn();
  EXPECT_THAT(began_, ElementsAre("a", "b"));
}

TEST_F(WakerTest, WhoIsNotDueOrIsForgottenSleepsOn) {
  Set("later", 1h);
  Set("forgotten", -1h);
  waker_.Forget({"forgotten"});
  Turn();
  EXPECT_THAT(began_, IsEmpty());
}

TEST_F(WakerTest, WhatBecomesDueWhileItWaitsIsSeen) {
  Set("a", 1h);
  Turn();
  Set("a", -1h);
  Turn();
  EXPECT_THAT(began_, ElementsAre("a"));
}

TEST_F(WakerTest, OnlySoManyComeBackSideBySide) {
  for (const char* id : {"a", "b", "c", "d"}) Set(id, -1h);
  Turn();
  EXPECT_EQ(began_.size(), Waker::kSideBySide);
  ComesBack(began_.front());
  EXPECT_EQ(began_.size(), 4);
}

class HandClock : public Clock {
 public:
  WallTime Wall() const override { return {now}; }
  SteadyTime Steady() const override { return {now}; }
  Nanos now = 100h;
};

TEST_F(WakerTest, AWayThatTookLongerThanWasSaidMakesTheNextBeginEarlier) {
  HandClock clock;
  std::vector<std::string> began;
  Waker waker(loop_.get_executor(), clock, [&](InstanceId id) -> asio::awaitable<void> {
    began.push_back(id.text);
    clock.now += 1s;
    co_return;
  });
  waker.Start();
  const SteadyTime due = clock.Steady() + 1h;
  const auto look = [&](Nanos before) {
    clock.now = (due - before).since_boot;
    waker.Forget({"x"});
    waker.Set({"x"}, due + 1h, 0s);  // so that it looks
    Turn();
  };
  waker.Set({"a"}, due, 100ms);
  look(100ms + Waker::kFirstMargin + 1ms);
  EXPECT_THAT(began, IsEmpty());
  look(100ms + Waker::kFirstMargin);
  EXPECT_THAT(began, ElementsAre("a"));
  waker.Set({"b"}, due, 100ms);
  look(1001ms);
  EXPECT_THAT(began, ElementsAre("a"));
  look(1000ms);
  EXPECT_THAT(began, ElementsAre("a", "b"));
  asio::co_spawn(loop_, waker.Stop(), asio::detached);
  Turn();
}

TEST_F(WakerTest, StoppingBeginsNoMore) {
  asio::co_spawn(loop_, waker_.Stop(), asio::detached);
  Turn();
  Set("a", -1h);
  Turn();
  EXPECT_THAT(began_, IsEmpty());
}

}  // namespace
}  // namespace godwit::functions
