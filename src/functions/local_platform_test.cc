// The platform over a real store, as far as nothing runs.
#include "functions/local_platform.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "functions/test_place.h"

namespace godwit::functions {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LocalPlatformTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }
  void TearDown() override { Stop(); }

  void Start() {
    platform_ = MakeLocalPlatform(place_.workplace);
    const auto started = platform_->Start();
    ASSERT_TRUE(started) << started.error().ToString();
  }
  void Stop() {
    if (!platform_) return;
    place_.RunOne([](LocalPlatform* platform) -> asio::awaitable<bool> {
      co_await platform->Stop();
      co_return true;
    }(platform_.get()));
    platform_.reset();
  }

  asio::awaitable<Result<Function>> Create(const std::string& name) {
    return platform_->Create(SpecOf(name), ZipOf(name));
  }
  asio::awaitable<Result<Function>> Describe(const std::string& name, std::string text) {
    FunctionPatch patch;
    patch.description = std::move(text);
    return platform_->UpdateConfiguration(name, std::move(patch));
  }
  void LoseCode(const Function& function) {
    std::filesystem::remove_all(place_.home / ("code/" + function.code_id));
    place_.RemoveBlob(function.zip_id);
  }
  std::vector<std::string> NamesInStore() {
    std::vector<std::string> names;
    EXPECT_TRUE(place_.journal.WriteNow([&](storage::Database& database) -> Result<> {
      for (const auto& function : AllFunctions(database).value())
        names.push_back(function.spec.name);
      return {};
    }));
    return names;
  }

  TestPlace place_;
  std::unique_ptr<LocalPlatform> platform_;
};

TEST_F(LocalPlatformTest, FunctionsOutliveTheNode) {
  const auto created = place_.RunOne(Create("f")).value();
  Stop();
  Start();
  EXPECT_EQ(platform_->Get("f").value().revision_id, created.revision_id);
  EXPECT_EQ(place_.RunOne(platform_->Zip("f")).value(), ZipOf("f"));
}

TEST_F(LocalPlatformTest, OfTwoCreationsOneWins) {
  const auto [first, second] = place_.Run(Create("f"), Create("f"));
  EXPECT_TRUE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kConflict);
  EXPECT_EQ(platform_->Get("f").value().revision_id, first->revision_id);
}

TEST_F(LocalPlatformTest, WhatIsDeletedStaysDeleted) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(place_.RunOne(Create("f")));
    const auto [before, deleted, after, again] =
        place_.Run(Describe("f", "a"), platform_->Delete("f"), Describe("f", "b"),
                   platform_->UpdateCode("f", {ZipOf("g"), {}, false}));
    EXPECT_TRUE(before);
    EXPECT_TRUE(deleted);
    EXPECT_EQ(after.error().code(), Code::kNotFound);
    EXPECT_EQ(again.error().code(), Code::kNotFound);
    EXPECT_THAT(platform_->List(), IsEmpty());
    EXPECT_THAT(NamesInStore(), IsEmpty());
  }
}

TEST_F(LocalPlatformTest, OfTwoUpdatesToOneRevisionOneWins) {
  const auto created = place_.RunOne(Create("f")).value();
  FunctionPatch patch;
  patch.revision_id = created.revision_id;
  const auto [first, second] = place_.Run(platform_->UpdateConfiguration("f", patch),
                                          platform_->UpdateConfiguration("f", patch));
  EXPECT_TRUE(first);
  EXPECT_EQ(second.error().code(), Code::kStale);
}

TEST_F(LocalPlatformTest, ACallOfWhatIsBeingDeletedDoesNotWaitForItsSuccessor) {
  ASSERT_TRUE(place_.RunOne(Create("f")));
  const auto [deleted, submitted] =
      place_.Run(platform_->Delete("f"), platform_->Submit({"f", "{}", "", ""}));
  EXPECT_TRUE(deleted);
  EXPECT_EQ(submitted.error().code(), Code::kNotFound);
  Stop();
  EXPECT_TRUE(place_.journal.WriteNow([](storage::Database& database) -> Result<> {
    EXPECT_THAT(UnfinishedCalls(database).value(), IsEmpty());
    return {};
  }));
}

TEST_F(LocalPlatformTest, AFunctionWithoutItsCodeIsListedAndSaysTheWayOut) {
  const auto whole = place_.RunOne(Create("whole")).value();
  const auto broken = place_.RunOne(Create("broken")).value();
  Stop();
  LoseCode(broken);
  Start();
  EXPECT_EQ(platform_->List().size(), 2);
  EXPECT_EQ(platform_->Get("whole")->failure, "");
  EXPECT_THAT(platform_->Get("broken")->failure, HasSubstr("(deploy it again)"));
  const auto called = place_.RunOne(platform_->Invoke({"broken", "{}", "", ""}));
  EXPECT_EQ(called.error().code(), Code::kConflict);
  EXPECT_THAT(called.error().ToString(), HasSubstr("(deploy it again)"));
  EXPECT_EQ(place_.RunOne(platform_->Submit({"broken", "{}", "", ""})).error().code(),
            Code::kConflict);

  EXPECT_THAT(place_.RunOne(Describe("broken", "still")).value().failure, testing::Ne(""));
  EXPECT_EQ(place_.RunOne(platform_->UpdateCode("broken", {ZipOf("broken"), {}, false}))->failure,
            "");
  EXPECT_TRUE(std::filesystem::exists(place_.home / ("code/" + broken.code_id)));
}

TEST_F(LocalPlatformTest, AnInstanceWithoutItsCodeIsLostAndItsCallFails) {
  const auto function = place_.RunOne(Create("f")).value();
  const std::string_view bytes = "an image";
  KeptInstance kept;
  kept.image = place_.blobs->Put(std::span(&bytes, 1), {}).value();
  kept.facts.instance = {"i-0123456789"};
  kept.facts.function = std::make_shared<const Function>(function);
  kept.facts.call.emplace();
  kept.facts.call->id = RequestId::New(place_.entropy);
  kept.facts.call->function = "f";
  ASSERT_TRUE(place_.RunOne(platform_->Delete("f")));
  Stop();
  ASSERT_TRUE(place_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    EXPECT_TRUE(PutCall(database, *kept.facts.call, CallStatus::kRunning, kept.facts.instance));
    return PutInstance(database, kept);
  }));
  std::filesystem::create_directory(place_.home / "instances/i-0123456789");
  LoseCode(function);

  Start();
  EXPECT_THAT(platform_->Instances(), IsEmpty());
  const auto record = place_.RunOne(platform_->Find(kept.facts.call->id)).value();
  EXPECT_EQ(record.status, CallStatus::kFailed);
  EXPECT_THAT(record.payload, HasSubstr("\"Godwit.ImageLost\""));
  ASSERT_EQ(place_.moves.size(), 1);
  EXPECT_EQ(place_.moves[0].to, State::kLost);
  EXPECT_FALSE(place_.HasBlob(kept.image.hex));
  EXPECT_TRUE(std::filesystem::is_empty(place_.home / "instances"));
  EXPECT_TRUE(place_.journal.WriteNow([](storage::Database& database) -> Result<> {
    EXPECT_THAT(AllInstances(database).value(), IsEmpty());
    return {};
  }));
}

TEST_F(LocalPlatformTest, AStoppingNodeRefusesChanges) {
  place_.RunOne([](LocalPlatform* platform) -> asio::awaitable<bool> {
    co_await platform->Stop();
    co_return true;
  }(platform_.get()));
  EXPECT_EQ(place_.RunOne(Create("f")).error().code(), Code::kClosing);
  EXPECT_EQ(place_.RunOne(platform_->Invoke({"f", "{}", "", ""})).error().code(), Code::kClosing);
}

}  // namespace
}  // namespace godwit::functions
