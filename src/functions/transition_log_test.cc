#include "functions/transition_log.h"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "functions/schema.h"

namespace godwit::functions {
namespace {

using enum State;
using testing::ElementsAre;

TEST(TransitionLogTest, FlipsWithinAMomentAreOneAndNothingElseIsLost) {
  std::string pattern = std::filesystem::temp_directory_path() / "godwit-moves-XXXXXX";
  const std::string home = ::mkdtemp(pattern.data());
  boost::asio::io_context loop(1);
  std::vector<Transition> kept;
  {
    storage::Database database = *storage::Database::Open(home + "/godwit.db");
    ASSERT_TRUE(storage::Migrate(database, Migrations()).has_value());
    storage::Journal journal(std::move(database), Log("test", LogLevel::kOff));
    TransitionLog log(loop.get_executor(), journal, 41);
    const InstanceId id{"i-0000000001"};
    const InstanceId other{"i-0000000002"};
    log.Observe({id, kStarting, kReady, {}, "initialised"});
    for (int call = 0; call < 1000; ++call) {
      log.Observe({id, kReady, kBusy, {}, "runs a call"});
      log.Observe({other, kReady, kBusy, {}, "runs a call"});
      log.Observe({id, kBusy, kReady, {}, "answered"});
    }
    log.Observe({id, kReady, kSuspended, {}, "idle"});
    log.Observe({id, kSuspended, kResuming, {}, "a call waits"});
    loop.run();  // until the moment has passed
    ASSERT_TRUE(journal.Flush().has_value());
    ASSERT_TRUE(journal
                    .WriteNow([&](storage::Database& open) -> Result<> {
                      kept = *TransitionsOf(open, id);
                      EXPECT_EQ(*LastTransition(open), 41 + 5);
                      return {};
                    })
                    .has_value());
  }
  std::filesystem::remove_all(home);
  std::vector<State> states;
  for (const auto& move : kept) states.push_back(move.to);
  EXPECT_THAT(states, ElementsAre(kReady, kReady, kSuspended, kResuming));
}

}  // namespace
}  // namespace godwit::functions
