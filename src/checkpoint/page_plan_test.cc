#include "checkpoint/page_plan.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "storage/node_key.h"
#include "storage/test_directory.h"

namespace godwit::checkpoint {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PagePlanTest : public testing::Test {
 protected:
  // Page `number` is always the same and like no other; 0 is zeros.
  static std::string Page(uint32_t number) {
    std::string page(kPage, '\0');
    for (size_t i = 0; number != 0 && i < kPage / 4; ++i)
      std::memcpy(page.data() + i * 4, &number, 4);
    return page;
  }
  static std::string Pages(std::initializer_list<std::pair<uint32_t, uint32_t>> ranges) {
    std::string pages;
    for (const auto& [first, count] : ranges) {
      for (uint32_t i = 0; i < count; ++i) pages += Page(first == 0 ? 0 : first + i);
    }
    return pages;
  }
  PagePool Pool(std::initializer_list<std::pair<uint32_t, uint32_t>> ranges) {
    const std::string pages = Pages(ranges);
    return {0, static_cast<uint32_t>(pages.size() / kPage), blobs_->SumPieces(pages, kPage)};
  }
  PagePlan Plan(const std::string& file, const std::vector<PagePool>& pools = {},
                std::vector<bool> stays = {}) {
    stays.resize(pools.size());
    file_ = file;
    const std::vector<SummedPage> pages[] = {SumPages(*blobs_, file)};
    return PlanPages(pages, pools, stays);
  }
  // Of the file that was planned last.
  std::string Joined(const PagePlan& plan) const {
    const std::string_view files[] = {file_};
    std::string all;
    for (const auto piece : PagesAt(files, plan.pool)) all += piece;
    return all;
  }

  std::string file_;

  storage::TestDirectory home_;
  SystemEntropy entropy_;
  std::unique_ptr<Files> files_ = DiskFiles();
  std::unique_ptr<storage::Blobs> blobs_ = *storage::Blobs::Open(
      home_.path(), *storage::LoadNodeKey(*files_, home_.path(), entropy_), entropy_);
};

TEST_F(PagePlanTest, WithoutBasesAllIsItsOwnOnceAndZerosAreNowhere) {
  const std::string file = Pages({{1, 3}, {0, 5}, {2, 2}, {9, 1}, {1, 1}});
  const PagePlan plan = Plan(file);
  EXPECT_THAT(plan.runs.at(0), ElementsAre(PageRun{0, 0, 3}, PageRun{255, 0, 5}, PageRun{0, 1, 3},
                                           PageRun{0, 0, 1}));
  EXPECT_EQ(Joined(plan), Pages({{1, 3}, {9, 1}}));
  EXPECT_THAT(plan.own, ElementsAre(4));
  EXPECT_EQ(plan.sums, blobs_->SumPieces(Joined(plan), kPage));
}

TEST_F(PagePlanTest, WhatABaseHasIsReferredToWhereverItLies) {
  const std::string file = Pages({{150, 50}, {500, 2}, {100, 50}});  // the plan refers to it
  const PagePlan plan = Plan(file, {Pool({{100, 100}})});
  EXPECT_THAT(plan.runs.at(0),
              ElementsAre(PageRun{1, 50, 50}, PageRun{0, 0, 2}, PageRun{1, 0, 50}));
  EXPECT_THAT(plan.bases, ElementsAre(0));
  EXPECT_EQ(Joined(plan), Pages({{500, 2}}));
}

TEST_F(PagePlanTest, ABaseOfWhichLittleIsUsedIsNotKeptForIt) {
  const std::string file = Pages({{100, 40}, {500, 10}});
  EXPECT_THAT(Plan(file, {Pool({{100, 100}})}).bases, IsEmpty());
  EXPECT_THAT(Plan(file, {Pool({{100, 80}})}).bases, ElementsAre(0));
  EXPECT_THAT(Plan(file, {Pool({{100, 100}})}, {true}).bases, ElementsAre(0)) << "it stays anyway";
  EXPECT_THAT(Plan(Pages({{100, 15}}), {Pool({{100, 15}})}, {true}).bases, IsEmpty());
}

TEST_F(PagePlanTest, WhatOneBaseIsNotKeptForAnotherMayHave) {
  const PagePlan plan = Plan(Pages({{100, 20}, {300, 60}}),
                             {Pool({{100, 20}, {900, 80}}), Pool({{300, 60}, {100, 5}})});
  EXPECT_THAT(plan.bases, ElementsAre(1));
  EXPECT_EQ(plan.sums.size(), 15 * kSumBytes);
  EXPECT_THAT(plan.runs.at(0),
              ElementsAre(PageRun{1, 60, 5}, PageRun{0, 0, 15}, PageRun{1, 0, 60}));
}

TEST_F(PagePlanTest, OfManyBasesThoseWithTheMostStay) {
  std::vector<PagePool> pools;
  std::string file;
  for (uint32_t i = 0; i < kMostBases + 2; ++i) {
    const uint32_t count = 100 - 10 * ((i * 5) % 6);
    pools.push_back(Pool({{1000 * (i + 1), count}}));
    file += Pages({{1000 * (i + 1), count}});
  }
  const PagePlan plan = Plan(file, pools);  // 100, 50, 60, 70, 80, 90
  EXPECT_THAT(plan.bases, ElementsAre(0, 3, 4, 5));
  EXPECT_EQ(plan.sums.size(), 110 * kSumBytes);
}

TEST_F(PagePlanTest, FilesHaveOnePool) {
  const std::string first = Pages({{1, 4}});
  const std::string second = Pages({{3, 4}});
  const std::string_view files[] = {first, second};
  const std::vector<SummedPage> pages[] = {SumPages(*blobs_, first), SumPages(*blobs_, second)};
  const PagePlan plan = PlanPages(pages, {}, {});
  EXPECT_THAT(plan.runs.at(0), ElementsAre(PageRun{0, 0, 4}));
  EXPECT_THAT(plan.runs.at(1), ElementsAre(PageRun{0, 2, 4}));
  EXPECT_THAT(plan.own, ElementsAre(4, 2));
  std::string pool;
  for (const auto piece : PagesAt(files, plan.pool)) pool += piece;
  EXPECT_EQ(pool, Pages({{1, 6}}));
}

}  // namespace
}  // namespace godwit::checkpoint
