#include "functions/running_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/fd.h"

namespace godwit::functions {
namespace {

using testing::EndsWith;
using testing::SizeIs;

class RunningLogTest : public testing::Test {
 protected:
  RunningLogTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "godwit-log-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    for (const char* name : {"/log", "/run"}) std::filesystem::create_directory(home_ + name);
    EXPECT_EQ(::mkfifo((home_ + "/run/log").c_str(), 0600), 0);
    logs_ = std::make_unique<FunctionLogs>(home_ + "/logs");
    log_ = std::make_unique<RunningLog>(loop_.get_executor(), home_, *logs_, "f");
    log_->Listen();
    function_ = *Open(home_ + "/run/log", O_WRONLY | O_NONBLOCK);
  }
  ~RunningLogTest() override { std::filesystem::remove_all(home_); }
  // At most what fits into the pipe.
  void Say(std::string_view text) { ASSERT_TRUE(WriteAll(function_.get(), text).has_value()); }
  uint64_t FileSize() const { return std::filesystem::file_size(home_ + "/log/output.log"); }

  std::string home_;
  std::string Told() const { return ReadLog(home_ + "/logs", "f", {1000, {}}).text; }
  boost::asio::io_context loop_{1};
  std::unique_ptr<FunctionLogs> logs_;
  std::unique_ptr<RunningLog> log_;
  Fd function_;
};

TEST_F(RunningLogTest, TheTailIsWhatWasWrittenSince) {
  Say("before\n");
  const uint64_t from = log_->size();
  EXPECT_EQ(log_->Tail(from, 100), "");
  Say("one\ntwo\n");
  EXPECT_EQ(log_->Tail(from, 100), "one\ntwo\n") << "also what nobody has copied yet";
  EXPECT_EQ(log_->Tail(from, 4), "two\n");
  EXPECT_EQ(log_->Tail(0, 100), "before\none\ntwo\n");
}

TEST_F(RunningLogTest, ALogThatGrowsTooLongKeepsItsNewestPart) {
  const std::string some(32 << 10, 'x');
  for (uint64_t said = 0; said < RunningLog::kMaxBytes; said += some.size()) {
    Say(some);
    log_->size();
  }
  EXPECT_FALSE(log_->WasTrimmed());
  const uint64_t from = log_->size();
  Say("next");
  EXPECT_EQ(log_->Tail(from, 100), "next") << "where it has come to is not moved by the trimming";
  EXPECT_TRUE(log_->WasTrimmed());
  EXPECT_FALSE(log_->WasTrimmed());
  EXPECT_EQ(FileSize(), RunningLog::kKeptBytes);
  Say("end");
  EXPECT_EQ(log_->Tail(0, 8), "xnextend");
  EXPECT_EQ(log_->Tail(from, 100), "nextend");
}

TEST_F(RunningLogTest, WhoeverWritesWithoutEndIsNeverStuckAndNeverKeptWhole) {
  ::fcntl(function_.get(), F_SETFL, O_WRONLY);
  constexpr uint64_t kMuch = 3 * RunningLog::kMaxBytes;
  std::jthread writer([&] {
    const std::string some(100'000, 'x');
    for (uint64_t said = 0; said < kMuch; said += some.size())
      if (!WriteAll(function_.get(), some)) return;
    static_cast<void>(WriteAll(function_.get(), "end"));
  });
  while (log_->size() < kMuch) {
    loop_.run_one();
    EXPECT_LE(FileSize(), RunningLog::kMaxBytes);
  }
  writer.join();
  EXPECT_THAT(log_->Tail(0, 10), EndsWith("xend"));
}

TEST_F(RunningLogTest, TheLoopCopiesWhileNobodyLooks) {
  Say("hello");
  while (FileSize() == 0) loop_.run_one();
  EXPECT_EQ(FileSize(), 5U);
}

TEST_F(RunningLogTest, ItRestsWithoutADescriptorAndGoesOn) {
  Say("one\n");
  log_->Rest();
  pollfd end{function_.get(), POLLOUT, 0};
  EXPECT_EQ(::poll(&end, 1, 0), 1);
  EXPECT_NE(end.revents & POLLERR, 0) << "nobody holds the other end";
  EXPECT_EQ(log_->Tail(0, 100), "one\n");
  EXPECT_EQ(log_->size(), 4U);
  log_->Listen();
  Say("two\n");
  EXPECT_EQ(log_->Tail(4, 100), "two\n");
  RunningLog another(loop_.get_executor(), home_, *logs_, "f");
  EXPECT_EQ(another.Tail(0, 100), "one\ntwo\n") << "as the next node finds it";
  EXPECT_THAT(RunningLog(loop_.get_executor(), "/nonexistent", *logs_, "f").Tail(0, 100),
              SizeIs(0));
}

TEST_F(RunningLogTest, TheFunctionsLogGetsWholeLines) {
  Say("one\ntw");
  log_->size();
  EXPECT_EQ(Told(), "one\n");
  Say("o\nthree");
  log_->size();
  EXPECT_EQ(Told(), "one\ntwo\n");
  log_->Flush();
  EXPECT_EQ(Told(), "one\ntwo\nthree") << "whoever looks sees all";
  log_->Note("platform\n");
  Say("four\nfive");
  log_->Rest();
  EXPECT_EQ(Told(), "one\ntwo\nthree\nplatform\nfour\nfive");
  log_->Note("Task timed out\n");
  EXPECT_EQ(Told(), "one\ntwo\nthree\nplatform\nfour\nfive\nTask timed out\n");
  EXPECT_EQ(log_->Tail(0, 100), "one\ntwo\nthreefour\nfive") << "its own log has its own words";
}

}  // namespace
}  // namespace godwit::functions
