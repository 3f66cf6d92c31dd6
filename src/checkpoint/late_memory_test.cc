#include "checkpoint/late_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kInParent = 1, kLate = 2, kPresent = 4;

class LateMemoryTest : public testing::Test {
 protected:
  LateMemoryTest() {
    home_ = testing::TempDir() + "late-memory-" + std::to_string(::getpid());
    fs::create_directories(home_);
    PutTree(1);
  }
  ~LateMemoryTest() override { fs::remove_all(home_); }

  void PutTree(uint32_t processes) {
    ImageFile tree{1, {}};
    for (uint32_t i = 0; i < processes; ++i) {
      image::Pstree process;
      process.set_pid(100 + i);
      process.set_ppid(0);
      tree.entries.push_back(process.SerializeAsString());
    }
    ASSERT_TRUE(WriteImageFile(home_ + "/pstree.img", tree));
  }
  struct Run {
    uint64_t address, pages;
    uint32_t flags;
  };
  void PutMap(const std::vector<Run>& runs) {
    image::PagemapHead head;
    head.set_pages_id(3);
    ImageFile map{1, {head.SerializeAsString()}};
    for (const Run& run : runs) {
      image::Pagemap entry;
      entry.set_vaddr(run.address);
      entry.set_compat_nr_pages(0);
      entry.set_nr_pages(run.pages);
      entry.set_flags(run.flags);
      map.entries.push_back(entry.SerializeAsString());
    }
    ASSERT_TRUE(WriteImageFile(home_ + "/pagemap-100.img", map));
  }

  std::string home_;
};

TEST_F(LateMemoryTest, WhatIsNeededAndWhatIsLate) {
  PutMap({{0x10000, 2, kPresent | kLate},
          {0x20000, 1, kPresent},
          {0x21000, 3, kPresent},
          {0x30000, 5, kLate},  // zeros: nothing of it is in the file
          {0x40000, 1, kPresent | kLate}});
  const auto found = FindLateMemory(home_);
  ASSERT_TRUE(found.has_value()) << found.error().ToString();
  ASSERT_TRUE(found->has_value());
  const LateMemory& memory = **found;
  EXPECT_EQ(memory.pages, "pages-3.img");
  EXPECT_THAT(memory.late, testing::ElementsAre(PageRange{0x10000, 2 * kPage, 0},
                                                PageRange{0x40000, kPage, 6 * kPage}));
  EXPECT_THAT(memory.needed, testing::ElementsAre(Extent{2 * kPage, 4 * kPage}));
  EXPECT_EQ(memory.bytes, 3 * kPage);
}

TEST_F(LateMemoryTest, AllIsNeededOfAFamilyAndOfADelta) {
  PutMap({{0x10000, 2, kPresent | kLate}});
  PutTree(2);
  EXPECT_EQ(FindLateMemory(home_).value(), std::nullopt);
  PutTree(1);
  PutMap({{0x10000, 2, kPresent | kLate}, {0x20000, 1, kInParent}});
  EXPECT_EQ(FindLateMemory(home_).value(), std::nullopt);
  PutMap({{0x10000, 2, kPresent}});
  EXPECT_EQ(FindLateMemory(home_).value(), std::nullopt);
}

TEST_F(LateMemoryTest, AMapThatCannotBeIsCorrupt) {
  for (const Run& run : {Run{0x10001, 1, kPresent}, Run{0x10000, uint64_t{1} << 60, kPresent}}) {
    PutMap({run});
    const auto found = FindLateMemory(home_);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code(), Code::kCorrupt);
    EXPECT_THAT(found.error().ToString(), testing::HasSubstr("pagemap-100.img"));
  }
}

TEST_F(LateMemoryTest, FilesOfPagesAreKnownByName) {
  EXPECT_TRUE(HoldsPages("pages-1.img"));
  EXPECT_FALSE(HoldsPages("pagemap-1.img"));
  EXPECT_FALSE(HoldsPages("pages-1.img.new"));
}

TEST_F(LateMemoryTest, TheWorkingSetComesAlong) {
  PutMap({{0x10000, 4, kLate | kPresent}});
  EXPECT_TRUE((*FindLateMemory(home_))->first.empty());
  const std::vector<uint64_t> pages = {0x12000, 0x10000};
  ASSERT_TRUE(WriteWorkingSet(home_, pages));
  EXPECT_EQ((*FindLateMemory(home_))->first, pages);
  ASSERT_TRUE(WriteWorkingSet(home_, std::vector<uint64_t>(kMostFirst + 5, kPage)));
  EXPECT_EQ((*FindLateMemory(home_))->first.size(), kMostFirst);
  fs::resize_file(home_ + "/working-set.img", 13);
  EXPECT_TRUE((*FindLateMemory(home_))->first.empty());
}

}  // namespace
}  // namespace godwit::checkpoint
