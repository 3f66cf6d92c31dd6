#include "base/fault.h"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdlib>

namespace godwit {
namespace {

TEST(FaultDeathTest, KillsAtTheNamedVisitOnly) {
  EXPECT_EXIT(
      {
        ::setenv("GODWIT_FAULT", "205:kill:2", 1);
        fault::Reach(fault::Point::kImageDumped);
        fault::Reach(fault::Point::kSuspendJournalled);
        std::fputs("first visit survived", stderr);
        fault::Reach(fault::Point::kSuspendJournalled);
      },
      testing::KilledBySignal(SIGKILL), "first visit survived");
}

TEST(FaultDeathTest, FailsWhereItIsAskedTo) {
  EXPECT_EXIT(
      {
        ::setenv("GODWIT_FAULT", "203:fail", 1);
        std::exit(fault::Reach(fault::Point::kImageStoreFull) &&
                          !fault::Reach(fault::Point::kImageStored)
                      ? 7
                      : 8);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace godwit
