#include "functions/callbacks.h"

#include <gmock/gmock.h>

#include "functions/test_place.h"

namespace godwit::functions {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;

class CallbacksTest : public testing::Test, public Owner {
 protected:
  CallbacksTest() {
    place_.workplace.wake_at = [this](const InstanceId&, SteadyTime due, Nanos) {
      woken_for_ = due;
    };
    place_.workplace.no_wake = [](const InstanceId&) {};
  }
  void WantsCall(Instance&) override {}
  void HasEnded(Instance&) override {}

  Invocation Call() {
    Invocation call;
    call.id = RequestId::New(place_.entropy);
    call.function = "f";
    call.kind = CallKind::kEvent;
    return call;
  }
  void Keep(const Invocation& call) {
    ASSERT_TRUE(place_.journal.WriteNow([&](storage::Database& database) {
      return PutCall(database, call, CallStatus::kQueued, std::nullopt);
    }));
  }
  Result<uint32_t> Deliver(const RequestId& call, std::string payload, std::string key = "") {
    return place_.RunOne(callbacks_.Deliver({call, std::move(payload), std::move(key)}));
  }
  // Put away while it waits for callback `number` of `call`.
  static KeptInstance Waits(const Invocation& call, uint32_t number) {
    KeptInstance kept;
    kept.facts.instance = {"i-0123456789"};
    kept.facts.boot = "this boot";
    kept.facts.call = call;
    SavedSession session;
    session.awaiting = SavedSession::Awaiting::kCallback;
    session.callback = {call.id.text, number};
    kept.facts.sessions = {session};
    return kept;
  }
  static auto Ignored() {
    return [](const PendingCall&, const Result<Outcome>&) {};
  }
  bool Woken() { return woken_for_ && *woken_for_ <= place_.clock.Steady(); }

  TestPlace place_;
  Crews crews_{place_.workplace};
  AwayCalls away_;
  Callbacks callbacks_{place_.workplace, crews_, away_};
  std::optional<SteadyTime> woken_for_;
};

TEST_F(CallbacksTest, ACallThatWaitsForItsTurnHasThemInOrder) {
  const Invocation call = Call();
  Keep(call);
  EXPECT_EQ(Deliver(call.id, "1").value(), 0u);
  EXPECT_EQ(Deliver(call.id, "2", "k").value(), 1u);
  EXPECT_EQ(Deliver(call.id, "2", "k").value(), 1u);
  EXPECT_EQ(Deliver(call.id, "3").value(), 2u);
}

TEST_F(CallbacksTest, NobodyToHandThemTo) {
  const auto unknown = Deliver(Call().id, "1");
  EXPECT_EQ(unknown.error().code(), Code::kNotFound);
  const Invocation call = Call();
  Keep(call);
  callbacks_.Close();
  EXPECT_EQ(Deliver(call.id, "1").error().code(), Code::kClosing);
}

TEST_F(CallbacksTest, TooManyThatNobodyTakes) {
  const Invocation call = Call();
  Keep(call);
  for (uint32_t i = 0; i < kMaxWaitingCallbacks; ++i) {
    ASSERT_TRUE(place_.journal.WriteNow([&](storage::Database& database) -> Result<> {
      EXPECT_TRUE(AddCallback(database, {call.id, "1", ""}, WallTime{}, kMaxWaitingCallbacks));
      return {};
    }));
  }
  const auto one_more = Deliver(call.id, "1");
  EXPECT_EQ(one_more.error().code(), Code::kBusy);
  EXPECT_THAT(one_more.error().ToString(), HasSubstr("1000 callbacks"));
}

TEST_F(CallbacksTest, WhoIsPutAwayAndWaitsForItIsDueAtOnce) {
  const Invocation call = Call();
  Instance instance(place_.workplace, *this, Waits(call, 1), Ignored());
  instance.ScheduleWake();
  EXPECT_FALSE(woken_for_) << "it waits for nothing but a callback";
  instance.CallbacksCame(Call().id, 9);
  instance.CallbacksCame(call.id, 1);
  EXPECT_FALSE(woken_for_) << "number 0 is not what it waits for";
  EXPECT_EQ(instance.WakeReason(), "what it waits for is due");
  instance.CallbacksCame(call.id, 2);
  EXPECT_TRUE(Woken());
  EXPECT_EQ(instance.WakeReason(), "a callback came");
  place_.RunOne([](Instance* closed) -> asio::awaitable<bool> {
    co_await closed->Close();
    co_return true;
  }(&instance));
}

TEST_F(CallbacksTest, WhatCameBeforeARestartIsDueAtTheStart) {
  const Invocation call = Call();
  KeptInstance kept = Waits(call, 1);
  kept.callbacks = 2;
  Instance instance(place_.workplace, *this, std::move(kept), Ignored());
  EXPECT_EQ(instance.callbacks_taken(), 1u);
  instance.ScheduleWake();
  EXPECT_TRUE(Woken());
  place_.RunOne([](Instance* closed) -> asio::awaitable<bool> {
    co_await closed->Close();
    co_return true;
  }(&instance));
}

}  // namespace
}  // namespace godwit::functions
