#include "http/deadlines.h"

#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "http/testing.h"

namespace godwit::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

TEST(DeadlinesTest, OnlyWhatIsArmedExpiresAndEachOnce) {
  asio::io_context loop(1);
  Deadlines deadlines(loop.get_executor(), 1ms);
  std::vector<int> expired;
  Deadlines::Watch moved(deadlines, [&] { expired.push_back(1); });
  Deadlines::Watch disarmed(deadlines, [&] { expired.push_back(2); });
  Deadlines::Watch never(deadlines, [&] { expired.push_back(3); });
  Deadlines::Watch armed(deadlines, [&] { expired.push_back(4); });
  moved.Arm(1h);
  moved.Arm(5ms);
  disarmed.Arm(1ms);
  disarmed.Disarm();
  never.Arm(Nanos::zero());
  armed.Arm(Nanos::max());
  armed.Arm(50ms);
  loop.run();  // ends by itself: nothing ticks once nothing is armed
  EXPECT_THAT(expired, ::testing::ElementsAre(1, 4));
}

TEST(DeadlinesTest, AtRestItDoesNotKeepTheLoop) {
  asio::io_context loop(1);
  Deadlines deadlines(loop.get_executor(), 1h);
  bool expired = false;
  Deadlines::Watch watch(deadlines, [&] { expired = true; });
  watch.Arm(2h);
  deadlines.Rest();
  EXPECT_EQ(loop.poll(), 0U);
  EXPECT_FALSE(loop.stopped()) << "it is armed";
  watch.Disarm();
  deadlines.Rest();
  loop.run();
  EXPECT_FALSE(expired);
}

TEST(DeadlinesTest, AnExpiryMayArmItsWatchAgain) {
  asio::io_context loop(1);
  Deadlines deadlines(loop.get_executor(), 1ms);
  int left = 3;
  std::unique_ptr<Deadlines::Watch> watch;
  watch = std::make_unique<Deadlines::Watch>(deadlines, [&] {
    if (--left > 0) watch->Arm(1ms);
  });
  watch->Arm(1ms);
  loop.run();
  EXPECT_EQ(left, 0);
}

TEST(DeadlinesTest, WatchesComeAndGoInAnyOrder) {
  asio::io_context loop(1);
  Deadlines deadlines(loop.get_executor(), 1ms);
  int expired = 0;
  std::vector<std::unique_ptr<Deadlines::Watch>> watches;
  for (int i = 0; i < 5; ++i) {
    watches.push_back(std::make_unique<Deadlines::Watch>(deadlines, [&] { ++expired; }));
    watches.back()->Arm(1ms);
  }
  watches.erase(watches.begin() + 1);
  watches.erase(watches.begin() + 3);
  loop.run();
  EXPECT_EQ(expired, 3);
}

TEST(DeadlinesTest, MayBeDestroyedWhileItTicks) {
  asio::io_context loop(1);
  bool gone = false;
  {
    Deadlines deadlines(loop.get_executor(), 1ms);
    Deadlines::Watch watch(deadlines, [&] { EXPECT_FALSE(gone); });
    watch.Arm(1ms);
    loop.run_for(1ms);  // perhaps far enough for the timer's handler to be on its way
  }
  gone = true;
  loop.restart();
  loop.run();
}

}  // namespace
}  // namespace godwit::http
