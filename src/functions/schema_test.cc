#include "functions/schema.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace godwit::functions {
namespace {

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "godwit-schema-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    database_.emplace(*storage::Database::Open(home_ + "/godwit.db"));
    EXPECT_TRUE(storage::Migrate(*database_, Migrations()).has_value());
  }
  ~SchemaTest() override {
    database_.reset();
    std::filesystem::remove_all(home_);
  }
  static Invocation Call(const std::string& digit) {
    Invocation call;
    call.id = {digit + "0000000-0000-4000-8000-000000000000"};
    call.function = "f";
    call.kind = CallKind::kEvent;
    call.payload = std::string("{\"a\":\0}", 7);
    call.accepted = WallTime{std::chrono::seconds(10)};
    return call;
  }
  std::string home_;
  std::optional<storage::Database> database_;
};

TEST_F(SchemaTest, AnAcceptedCallIsUnfinishedUntilItsResultIsKept) {
  for (const auto* digit : {"b", "a"}) {
    ASSERT_TRUE(PutCall(*database_, Call(digit), CallStatus::kQueued, std::nullopt).has_value());
  }
  const auto unfinished = *UnfinishedCalls(*database_);
  ASSERT_EQ(unfinished.size(), 2u);
  EXPECT_EQ(unfinished[0].invocation.id, Call("b").id) << "in the order of acceptance";
  EXPECT_EQ(unfinished[0].invocation.payload, Call("b").payload);
  Outcome outcome;
  outcome.id = Call("b").id;
  outcome.payload = "42";
  ASSERT_TRUE(FinishCall(*database_, outcome, 2, WallTime{std::chrono::seconds(20)}).has_value());
  EXPECT_EQ(UnfinishedCalls(*database_)->size(), 1u);
  const auto record = **FindCall(*database_, Call("b").id);
  EXPECT_EQ(record.status, CallStatus::kSucceeded);
  EXPECT_EQ(record.payload, "42");
  EXPECT_EQ(record.attempt, 2);
  ASSERT_TRUE(DropCallsFinishedBefore(*database_, WallTime{std::chrono::seconds(21)}).has_value());
  EXPECT_EQ(*FindCall(*database_, Call("b").id), std::nullopt);
}

TEST_F(SchemaTest, CallbacksAreNumberedAndGoWithTheirCall) {
  const Invocation call = Call("c");
  const WallTime now{std::chrono::seconds(15)};
  EXPECT_EQ(AddCallback(*database_, {call.id, "1", ""}, now, 9).error().code(), Code::kNotFound);
  ASSERT_TRUE(PutCall(*database_, call, CallStatus::kQueued, std::nullopt).has_value());
  const std::string odd("\"\0\"", 3);
  EXPECT_EQ(*AddCallback(*database_, {call.id, odd, ""}, now, 9), 0u);
  EXPECT_EQ(*AddCallback(*database_, {call.id, "1", "key"}, now, 9), 1u);
  EXPECT_EQ(*AddCallback(*database_, {call.id, "2", "key"}, now, 9), 1u) << "the same key";
  EXPECT_EQ(*AddCallback(*database_, {call.id, "3", "other"}, now, 9), 2u);
  EXPECT_EQ(*AddCallback(*database_, {call.id, "4", ""}, now, 9), 3u);
  EXPECT_EQ(AddCallback(*database_, {call.id, "5", ""}, now, 4).error().code(), Code::kBusy);
  EXPECT_EQ(*AddCallback(*database_, {call.id, "5", "key"}, now, 4), 1u) << "it is there already";
  EXPECT_EQ(*CountCallbacks(*database_, call.id), 4u);
  EXPECT_EQ(*FindCallback(*database_, call.id, 0), odd);
  EXPECT_EQ(*FindCallback(*database_, call.id, 1), "1");
  EXPECT_EQ(*FindCallback(*database_, call.id, 4), std::nullopt);

  KeptInstance kept;
  kept.facts.instance = {"i-0123456789"};
  kept.facts.call = call;
  ASSERT_TRUE(PutInstance(*database_, kept).has_value());
  EXPECT_EQ((*AllInstances(*database_))[0].callbacks, 4u);

  Outcome outcome;
  outcome.id = call.id;
  ASSERT_TRUE(FinishCall(*database_, outcome, 1, now).has_value());
  EXPECT_EQ(*CountCallbacks(*database_, call.id), 0u);
  EXPECT_EQ(AddCallback(*database_, {call.id, "6", ""}, now, 9).error().code(), Code::kConflict);
}

TEST_F(SchemaTest, AStoreWithoutCallbacksGetsThem) {
  auto old = *storage::Database::Open(home_ + "/old.db");
  ASSERT_TRUE(storage::Migrate(old, Migrations().first(1)).has_value());
  ASSERT_TRUE(
      old.Execute("INSERT INTO call (id, sequence, function, kind, status, attempt, "
                  "client_context, trace_id, accepted_ns) VALUES ('" +
                  Call("d").id.text + "', 1, 'f', 1, 0, 1, '', '', 0)"));
  ASSERT_TRUE(storage::Migrate(old, Migrations()).has_value());
  EXPECT_EQ(UnfinishedCalls(old)->size(), 1u);
  EXPECT_EQ(*AddCallback(old, {Call("d").id, "1", ""}, WallTime{}, 9), 0u);
}

TEST_F(SchemaTest, CallsOfOtherNodesAndAtOtherNodes) {
  Invocation foreign = Call("e");
  foreign.home = "node-a";
  ASSERT_TRUE(PutCall(*database_, foreign, CallStatus::kRunning, InstanceId{"i-0123456789"}));
  ASSERT_TRUE(SendCallAway(*database_, foreign.id, "node-c"));
  auto kept = *UnfinishedCalls(*database_);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].invocation.home, "node-a");
  EXPECT_EQ(kept[0].away, "node-c");
  EXPECT_TRUE(ForeignResults(*database_)->empty());
  Outcome outcome;
  outcome.id = foreign.id;
  outcome.payload = "3";
  ASSERT_TRUE(FinishCall(*database_, outcome, 1, WallTime{}));
  ASSERT_TRUE(DropCallsFinishedBefore(*database_, WallTime{std::chrono::hours(1)}));
  const auto results = *ForeignResults(*database_);
  ASSERT_EQ(results.size(), 1u) << "one that nobody knows yet is kept";
  EXPECT_EQ(results[0].home, "node-a");
  EXPECT_EQ(results[0].instance.text, "i-0123456789");
  EXPECT_EQ(results[0].outcome.payload, "3");
  ASSERT_TRUE(NoteDelivered(*database_, foreign.id));
  EXPECT_TRUE(ForeignResults(*database_)->empty());
}

TEST_F(SchemaTest, CallbacksGoAlongWithTheirNumbers) {
  const Invocation call = Call("f");
  ASSERT_TRUE(PutCall(*database_, call, CallStatus::kRunning, std::nullopt));
  ASSERT_TRUE(AddCallback(*database_, {call.id, "1", "k"}, WallTime{}, 9));
  ASSERT_TRUE(AddCallback(*database_, {call.id, "2", ""}, WallTime{}, 9));
  const auto all = *CallbacksOf(*database_, call.id);
  ASSERT_EQ(all.size(), 2u);
  ASSERT_TRUE(DropCall(*database_, call.id));
  EXPECT_TRUE(CallbacksOf(*database_, call.id)->empty());
  ASSERT_TRUE(PutCall(*database_, call, CallStatus::kRunning, std::nullopt));
  for (const auto& one : all) ASSERT_TRUE(PutCallback(*database_, one));
  EXPECT_EQ(*AddCallback(*database_, {call.id, "1", "k"}, WallTime{}, 9), 0u) << "known by its key";
  EXPECT_EQ(*AddCallback(*database_, {call.id, "3", ""}, WallTime{}, 9), 2u);
}

TEST_F(SchemaTest, FunctionsAndInstancesAreKeptAndDropped) {
  Function function;
  function.spec.name = "f";
  ASSERT_TRUE(PutFunction(*database_, function).has_value());
  function.spec.description = "changed";
  ASSERT_TRUE(PutFunction(*database_, function).has_value());
  ASSERT_EQ(AllFunctions(*database_)->size(), 1u);
  EXPECT_EQ((*AllFunctions(*database_))[0].spec.description, "changed");
  KeptInstance kept;
  kept.facts.instance = {"i-0123456789"};
  kept.image = {"ab"};
  ASSERT_TRUE(PutInstance(*database_, kept).has_value());
  EXPECT_EQ((*AllInstances(*database_))[0].image.hex, "ab");
  ASSERT_TRUE(DropInstance(*database_, kept.facts.instance).has_value());
  EXPECT_TRUE(AllInstances(*database_)->empty());
}

TEST_F(SchemaTest, TransitionsAreARing) {
  const InstanceId id{"i-0123456789"};
  for (const int64_t sequence : {int64_t{1}, int64_t{2}, kTransitionsKept + 1}) {
    ASSERT_TRUE(PutTransition(*database_, sequence,
                              {id, State::kReady, State::kBusy, WallTime{Nanos(sequence)}, "r"})
                    .has_value());
  }
  const auto kept = *TransitionsOf(*database_, id);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].at.since_epoch, Nanos(2)) << "the first made room for the last";
  EXPECT_EQ(*LastTransition(*database_), kTransitionsKept + 1);
}

}  // namespace
}  // namespace godwit::functions
