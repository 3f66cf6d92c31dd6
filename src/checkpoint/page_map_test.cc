#include "checkpoint/page_map.h"

#include <gmock/gmock.h>

#include <random>

#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

using testing::ElementsAre;

TEST(PageMapTest, WhatHasComeIsCutOut) {
  PageMap map({{0x10000, 8 * kPage, 0}});
  map.Remove(0x10000 + 2 * kPage, kPage);
  EXPECT_EQ(map.bytes(), 7 * kPage);
  EXPECT_THAT(map.All(), ElementsAre(PageRange{0x10000, 2 * kPage, 0},
                                     PageRange{0x10000 + 3 * kPage, 5 * kPage, 3 * kPage}));
  EXPECT_EQ(map.At(0x10000 + 2 * kPage, kPage), std::nullopt);
  EXPECT_EQ(map.At(0x10000 + 4 * kPage, 2 * kPage),
            (PageRange{0x10000 + 4 * kPage, 2 * kPage, 4 * kPage}));
}

TEST(PageMapTest, TheSearchGoesRound) {
  PageMap map({{0x10000, kPage, 0}, {0x90000, kPage, kPage}});
  EXPECT_EQ(map.From(0x20000, kPage)->address, 0x90000U);
  EXPECT_EQ(map.From(0xA0000, kPage)->address, 0x10000U);
}

// Against a map of single pages.
TEST(PageMapTest, AnyOrderOfChangesIsThatOfSinglePages) {
  constexpr uint64_t kPages = 64;
  std::mt19937 random(7);
  const auto below = [&](uint64_t limit) { return random() % limit; };
  for (int round = 0; round < 200; ++round) {
    PageMap map;
    std::map<uint64_t, uint64_t> model;
    for (int change = 0; change < 30; ++change) {
      const uint64_t at = below(kPages);
      const uint64_t count = 1 + below(kPages - at);
      const uint64_t other = below(kPages - count + 1);
      switch (below(3)) {
        case 0: {
          const uint64_t offset = below(1000);
          map.Add({at * kPage, count * kPage, offset * kPage});
          for (uint64_t i = 0; i < count; ++i) model[at + i] = offset + i;
          break;
        }
        case 1:
          map.Remove(at * kPage, count * kPage);
          for (uint64_t i = 0; i < count; ++i) model.erase(at + i);
          break;
        default: {
          map.Move(at * kPage, other * kPage, count * kPage);
          std::map<uint64_t, uint64_t> moved;
          for (uint64_t i = 0; i < count; ++i) {
            if (const auto found = model.find(at + i); found != model.end())
              moved[other + i] = found->second;
          }
          for (uint64_t i = 0; i < count; ++i) model.erase(at + i);
          for (uint64_t i = 0; i < count; ++i) model.erase(other + i);
          model.insert(moved.begin(), moved.end());
        }
      }
      ASSERT_EQ(map.bytes(), model.size() * kPage);
      for (uint64_t page = 0; page < kPages; ++page) {
        const auto range = map.At(page * kPage, kPage);
        const auto found = model.find(page);
        ASSERT_EQ(range.has_value(), found != model.end()) << round;
        if (range) {
          ASSERT_EQ(range->offset, found->second * kPage) << round;
        }
      }
    }
  }
}

}  // namespace
}  // namespace godwit::checkpoint
