#include "functions/running_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <filesystem>

namespace godwit::functions {
namespace {

class RunningLogTest : public testing::Test {
 protected:
  RunningLogTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "godwit-log-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(home_ + "/log");
    function_ = *Open(home_ + "/log/output.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    log_.Open(home_);
  }
  ~RunningLogTest() override { std::filesystem::remove_all(home_); }
  void Say(std::string_view text) { ASSERT_TRUE(WriteAll(function_.get(), text).has_value()); }

  std::string home_;
  Fd function_;
  RunningLog log_;
};

TEST_F(RunningLogTest, TheTailIsWhatWasWrittenSince) {
  Say("before\n");
  const uint64_t from = log_.size();
  EXPECT_EQ(log_.Tail(from, 100), "");
  Say("one\ntwo\n");
  EXPECT_EQ(log_.Tail(from, 100), "one\ntwo\n");
  EXPECT_EQ(log_.Tail(from, 4), "two\n");
  EXPECT_EQ(log_.Tail(0, 100), "before\none\ntwo\n");
}

TEST_F(RunningLogTest, ALogThatGrowsTooLongKeepsItsNewestPart) {
  EXPECT_FALSE(log_.Trim());
  for (int i = 0; i < 17; ++i) Say(std::string(1 << 20, static_cast<char>('a' + i)));
  EXPECT_TRUE(log_.Trim());
  EXPECT_EQ(log_.size(), RunningLog::kKeptBytes);
  Say("end");
  EXPECT_EQ(log_.Tail(0, 4), "qend") << "the function goes on at the new end";
}

TEST_F(RunningLogTest, ItsSizeIsPutBackForARestore) {
  Say("0123456789");
  log_.SetSize(4);
  EXPECT_EQ(log_.Tail(0, 100), "0123");
  log_.SetSize(6);
  EXPECT_EQ(log_.size(), 6u);
}

}  // namespace
}  // namespace godwit::functions
