#include "storage/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

namespace godwit::storage {
namespace {

class CrewTest : public testing::TestWithParam<unsigned> {};

TEST_P(CrewTest, DoesEachPieceOnce) {
  Crew crew(GetParam());
  for (const auto count : std::initializer_list<size_t>{0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> done(count);
    crew.ForEach(count, [&](size_t i) { ++done[i]; });
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

TEST_P(CrewTest, APieceMayWaitForTheOneBefore) {
  Crew crew(GetParam());
  std::atomic<size_t> turn = 0;
  crew.ForEach(500, [&](size_t i) {
    for (size_t now = turn; now != i; now = turn) turn.wait(now);
    ++turn;
    turn.notify_all();
  });
  EXPECT_EQ(turn, 500u);
}

TEST_P(CrewTest, ServesManyCallersAtOnce) {
  Crew crew(GetParam());
  std::atomic<size_t> pieces = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int call = 0; call < 50; ++call) {
        std::atomic<size_t> mine = 0;
        crew.ForEach(20, [&](size_t) { ++mine; });
        EXPECT_EQ(mine, 20u) << "all had ended when the call returned";
        pieces += mine;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(pieces, 4u * 50 * 20);
}

INSTANTIATE_TEST_SUITE_P(Helpers, CrewTest, testing::Values(0U, 1U, 3U));

TEST(CrewTest, HelpersReallyHelp) {
  Crew crew(1);
  std::atomic<int> arrived = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  // Each of the two pieces waits for the other, so that one thread alone would never get past.
  crew.ForEach(2, [&](size_t) {
    ++arrived;
    arrived.notify_all();
    for (int now = arrived; now != 2; now = arrived) arrived.wait(now);
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 2u);
}

}  // namespace
}  // namespace godwit::storage
