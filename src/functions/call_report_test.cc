#include "functions/call_report.h"

#include <gmock/gmock.h>

namespace godwit::functions {
namespace {

using namespace std::chrono_literals;

constexpr auto kId = "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411";
const WallTime kNow{1'795'310'340'123ms};

TEST(CallReportTest, TheLinesOfACall) {
  CallReport report{{kId}, "$LATEST", 1'204'000ns, {}, 128, {}};
  EXPECT_EQ(StartLine(report), std::string("START RequestId: ") + kId + " Version: $LATEST\n");
  EXPECT_EQ(EndLines(report), std::string("END RequestId: ") + kId + "\nREPORT RequestId: " + kId +
                                  "\tDuration: 1.20 ms\tBilled Duration: 2 ms\t"
                                  "Memory Size: 128 MB\n")
      << "nothing that is not known";
  report.memory_peak = (30 << 20) + 1;
  report.put_away = 20s;
  EXPECT_THAT(EndLines(report), testing::EndsWith("\tMemory Size: 128 MB\tMax Memory Used: 31 MB\t"
                                                  "Put Away Duration: 20000.00 ms\n"));
}

TEST(CallReportTest, WhyThePlatformEndedIt) {
  EXPECT_EQ(
      FailureLines({kId}, "Sandbox.Timedout", "Task timed out after 3.00 seconds", kNow),
      std::string("2026-11-22T01:19:00.123Z ") + kId + " Task timed out after 3.00 seconds\n");
  EXPECT_EQ(
      FailureLines({kId}, "Runtime.ExitError", "Runtime exited with error: exit status 3", kNow),
      std::string("RequestId: ") + kId +
          " Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n");
}

TEST(CallReportTest, WhyItDidNotStart) {
  EXPECT_EQ(InitFailureLines("Runtime.ExitError", "Runtime exited with error: exit status 1",
                             23'100us, kNow),
            "2026-11-22T01:19:00.123Z Runtime exited with error: exit status 1\n"
            "INIT_REPORT Init Duration: 23.10 ms\tPhase: init\tStatus: error\t"
            "Error Type: Runtime.ExitError\n");
}

}  // namespace
}  // namespace godwit::functions
