#include "functions/template.h"

#include <gmock/gmock.h>

#include "functions/bakery.h"
#include "functions/test_place.h"

namespace godwit::functions {
namespace {

KeptInstance KeptOf(const std::string& name, const std::string& image) {
  KeptInstance kept;
  kept.facts.instance.text = "i-0000000001";
  Function function;
  function.spec = SpecOf(name);
  function.revision_id = "revision 1";
  kept.facts.function = std::make_shared<const Function>(function);
  kept.facts.uid = 1'000'000'001;
  SavedSession session;
  session.awaiting = SavedSession::Awaiting::kRestore;
  kept.facts.sessions.push_back(session);
  kept.image.hex = image;
  kept.image_bytes = 42;
  return kept;
}

class TemplateTest : public testing::Test {
 protected:
  template <typename Step>
  void InStore(Step step) {
    const auto done = place_.journal.WriteNow(step);
    ASSERT_TRUE(done) << done.error().ToString();
  }
  std::vector<Template> Kept() {
    std::vector<Template> all;
    InStore([&](storage::Database& database) -> Result<> {
      all = AllTemplates(database).value();
      return {};
    });
    return all;
  }
  void Put(const KeptInstance& kept, const std::string& depends) {
    InStore([&](storage::Database& database) { return PutTemplate(database, kept, depends); });
  }

  TestPlace place_;
};

TEST_F(TemplateTest, AFunctionHasOne) {
  Put(KeptOf("f", "aa"), "then");
  Put(KeptOf("f", "bb"), "now");
  Put(KeptOf("g", "cc"), "now");
  const auto all = Kept();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].function(), "f");
  EXPECT_EQ(all[0].image.hex, "bb");
  EXPECT_EQ(all[0].image_bytes, 42U);
  EXPECT_EQ(all[0].depends, "now");
  EXPECT_EQ(all[0].facts_text, FactsToJson(KeptOf("f", "bb").facts));
  EXPECT_EQ(all[0].facts.sessions.at(0).awaiting, SavedSession::Awaiting::kRestore);
}

TEST_F(TemplateTest, OnlyTheOneThatIsMeantIsDropped) {
  Put(KeptOf("f", "bb"), "now");
  InStore([](storage::Database& database) { return DropTemplate(database, "f", {"aa"}); });
  EXPECT_EQ(Kept().size(), 1U);
  InStore([](storage::Database& database) { return DropTemplate(database, "f", {"bb"}); });
  EXPECT_EQ(Kept().size(), 0U);
}

TEST_F(TemplateTest, ACloneIsSomebodyElse) {
  Put(KeptOf("f", "aa"), "now");
  const auto function = KeptOf("f", "aa").facts.function;
  const auto clone = Kept().front().AsKept(InstanceId{"i-0000000002"}, 1'000'000'002, function);
  EXPECT_EQ(clone.facts.instance.text, "i-0000000002");
  EXPECT_EQ(clone.facts.uid, 1'000'000'002U);
}

TEST_F(TemplateTest, DependsOnWhatIsInItsMemory) {
  const FunctionSpec spec = SpecOf("f");
  Settings settings;
  const std::string now = Dependencies(spec, settings);
  EXPECT_EQ(Dependencies(spec, settings), now);
  settings.runtimes = "others";
  EXPECT_NE(Dependencies(spec, settings), now);
  settings = Settings{};
  settings.region = "eu-central-1";
  EXPECT_NE(Dependencies(spec, settings), now);
  FunctionSpec other = spec;
  other.runtime = "nodejs";
  EXPECT_NE(Dependencies(other, Settings{}), now);
}

// Without CRIU: nothing is wanted, nothing is kept.
TEST_F(TemplateTest, TheNextStartDropsWhatDoesNotFit) {
  Function function = *KeptOf("f", "").facts.function;
  Put(KeptOf("f", std::string(64, 'a')), Dependencies(function.spec, place_.workplace.settings));
  Put(KeptOf("gone", std::string(64, 'b')), "now");
  place_.workplace.criu = Open("/bin/true", O_RDONLY).value();
  Bakery bakery(
      place_.workplace, [](const Function&) { return false; }, [](const std::string&, bool) {});
  ASSERT_TRUE(bakery.Start({function}));
  EXPECT_TRUE(bakery.Has(function));
  EXPECT_EQ(Kept().size(), 1U);
  EXPECT_NE(bakery.For(function), nullptr);
  Function changed = function;
  changed.revision_id = "revision 2";
  EXPECT_FALSE(bakery.Has(changed));
  EXPECT_EQ(bakery.For(changed), nullptr);
  Bakery next(
      place_.workplace, [](const Function&) { return false; }, [](const std::string&, bool) {});
  ASSERT_TRUE(next.Start({changed}));
  EXPECT_FALSE(next.Has(changed));
  EXPECT_EQ(Kept().size(), 0U);
}

TEST_F(TemplateTest, SaysWhyThereIsNone) {
  Function function = *KeptOf("f", "").facts.function;
  Bakery bakery(
      place_.workplace, [](const Function&) { return false; }, [](const std::string&, bool) {});
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("CRIU is not there"));
  place_.workplace.criu = Open("/bin/true", O_RDONLY).value();
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("after the first start"));
  bakery.Started(function);
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("when the node is calm"));
  function.spec.snap_start = false;
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("does not want one"));
  function.spec.snap_start.reset();
  place_.workplace.settings.prebake = false;
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("the node makes none"));
  function.spec.snap_start = true;
  EXPECT_THAT(bakery.Why(function), testing::HasSubstr("none yet"));
}

}  // namespace
}  // namespace godwit::functions
