#include "base/memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace godwit {
namespace {

TEST(MemoryTest, WhatIsFreedGoesBackAlthoughALastPieceIsHeld) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#endif
#endif
  KeepMemorySmall();
  constexpr size_t kPieces = 20'000;
  constexpr size_t kBytes = 2000;
  std::vector<std::unique_ptr<char[]>> pieces;
  for (size_t i = 0; i < kPieces; ++i) pieces.push_back(std::make_unique<char[]>(kBytes));
  const uint64_t full = ResidentBytes();
  ASSERT_GT(full, kPieces * kBytes);
  pieces.erase(pieces.begin(), pieces.end() - 1);
  ReturnFreeMemory();
  EXPECT_LT(ResidentBytes(), full - (kPieces * kBytes * 3 / 4));
}

}  // namespace
}  // namespace godwit
