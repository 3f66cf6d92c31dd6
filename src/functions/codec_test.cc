#include "functions/codec.h"

#include <gmock/gmock.h>

namespace godwit::functions {
namespace {

TEST(CodecTest, AFunctionGoesThereAndBack) {
  Function function;
  function.spec.name = "greeter";
  function.spec.runtime = "python3.11";
  function.spec.environment = {{"COLOUR", "ünïcödé \" \n"}};
  function.spec.timeout = std::chrono::seconds(77);
  function.code_id = "abc";
  function.zip_id = "def";
  function.last_modified = WallTime{std::chrono::seconds(1'763'774'340)};
  const auto again = FunctionFromJson(FunctionToJson(function));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(FunctionToJson(*again), FunctionToJson(function));
  EXPECT_EQ(again->spec.environment, function.spec.environment);
}

TEST(CodecTest, AnImageGoesThereAndBack) {
  Function function;
  function.spec.name = "boxed";
  function.spec.engine = kDocker;
  function.spec.image = "my/app:3";
  function.spec.image_config = {{"/e"}, {"a", "b"}, "/w", {}};
  function.image_start = {{"/own"}, {}, "/", {"A=1"}};
  const auto again = FunctionFromJson(FunctionToJson(function)).value();
  EXPECT_EQ(again.spec.engine, kDocker);
  EXPECT_EQ(again.spec.image, "my/app:3");
  EXPECT_EQ(again.spec.image_config, function.spec.image_config);
  EXPECT_EQ(again.image_start, function.image_start);
}

TEST(CodecTest, FactsGoThereAndBack) {
  InstanceFacts facts;
  facts.instance = {"i-0123456789"};
  facts.uid = 1'000'000'007;
  facts.pid = 100;
  SavedSession session;
  session.awaiting = SavedSession::Awaiting::kNext;
  session.tcp.send_sequence = 0xfffffff0U;
  session.tcp.peer_port = 45678;
  session.tcp.has_sack = true;
  facts.sessions = {session};
  facts.timeouts = {{100, 0x7ffc00001000, checkpoint::Timeout::Form::kTimeval, Nanos(123456789)},
                    {101, 0x7ffc00002000, checkpoint::Timeout::Form::kWord, Nanos(-7)}};
  facts.clock = Nanos(987654321);
  facts.clock_offset = Nanos(-5);
  facts.deadline = Nanos(42);
  facts.call = Invocation{};
  facts.call->id = {"8476a536-e9f4-11e8-9739-2dfe598c3fcd"};
  facts.call->kind = CallKind::kEvent;
  facts.call->attempt = 3;
  const auto again = FactsFromJson(FactsToJson(facts));
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(FactsToJson(*again), FactsToJson(facts));
  EXPECT_EQ(again->sessions[0].tcp, session.tcp);
  EXPECT_EQ(again->timeouts, facts.timeouts);
  EXPECT_EQ(again->call->attempt, 3);
}

TEST(CodecTest, ASessionThatWaitsForACallbackGoesThereAndBack) {
  InstanceFacts facts;
  facts.instance = {"i-0123456789"};
  SavedSession waits;
  waits.awaiting = SavedSession::Awaiting::kCallback;
  waits.callback = {"8476a536-e9f4-11e8-9739-2dfe598c3fcd", 7};
  facts.sessions = {waits, SavedSession{}};
  const auto again = FactsFromJson(FactsToJson(facts));
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(again->sessions[0].awaiting, SavedSession::Awaiting::kCallback);
  EXPECT_EQ(again->sessions[0].callback, waits.callback);
  EXPECT_EQ(again->sessions[1].awaiting, SavedSession::Awaiting::kRequest);
}

TEST(CodecTest, FactsHaveAVersion) {
  EXPECT_TRUE(FactsFromJson(R"({"instance":"i-0123456789"})")) << "as the first ones were written";
  EXPECT_TRUE(FactsFromJson(R"({"version":2,"instance":"i-0123456789"})"));
  const auto newer = FactsFromJson(R"({"version":3,"instance":"i-0123456789"})");
  EXPECT_EQ(newer.error().code(), Code::kUnsupported);
}

TEST(CodecTest, WhatIsNotWhatWasWrittenIsCorrupt) {
  EXPECT_EQ(FunctionFromJson("[").error().code(), Code::kCorrupt);
  EXPECT_EQ(FactsFromJson(R"({"instance":"../../etc"})").error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::functions
