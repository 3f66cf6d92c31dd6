#include "functions/function_log.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "storage/test_directory.h"

namespace godwit::functions {
namespace {

namespace fs = std::filesystem;

class FunctionLogTest : public testing::Test {
 protected:
  LogText Newest(size_t bytes) { return ReadLog(home_.path(), "f", {bytes, {}}); }
  LogText Since(uint64_t after, size_t bytes = 1 << 20) {
    return ReadLog(home_.path(), "f", {bytes, after});
  }
  size_t Files() {
    const fs::directory_iterator all(home_ / "f");
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

  storage::TestDirectory home_;
  FunctionLogs logs_{home_.path()};
  int one_ = 0, other_ = 0;  // writers
};

TEST_F(FunctionLogTest, EachByteIsReadOnce) {
  EXPECT_EQ(Newest(100).next, 0U);
  const auto log = logs_.Of("f");
  EXPECT_EQ(logs_.Of("f"), log);
  log->Append(&one_, "a 1\n");
  log->Append(&other_, "b 1\n");
  auto read = Newest(100);
  EXPECT_EQ(read.text, "a 1\nb 1\n") << "the newest last, whoever wrote it";
  EXPECT_EQ(Since(read.next).text, "");
  log->Append(&one_, "a 2\n");
  read = Since(read.next);
  EXPECT_EQ(read.text, "a 2\n");
  EXPECT_EQ(read.skipped, 0U);
  EXPECT_EQ(Since(0, 6).text, "a 1\nb ");
  EXPECT_EQ(Since(Since(0, 6).next).text, "1\na 2\n");
  EXPECT_EQ(Newest(4).text, "a 2\n");
  EXPECT_EQ(Newest(0).text, "");
  EXPECT_EQ(Newest(0).next, read.next) << "from now on";
}

TEST_F(FunctionLogTest, ALineIsNotCutByAnother) {
  const auto log = logs_.Of("f");
  log->Append(&one_, "half");
  log->Append(&one_, " and half");
  log->Append(&other_, "whole\n");
  EXPECT_EQ(Newest(100).text, "half and half\nwhole\n");
}

TEST_F(FunctionLogTest, ItGoesOnWithTheNextNode) {
  logs_.Of("f")->Append(&one_, "before\n");
  const uint64_t place = Newest(100).next;
  FunctionLogs next(home_.path());
  next.Of("f")->Append(&one_, "after\n");
  EXPECT_EQ(Since(place).text, "after\n");
  EXPECT_EQ(Since(place + 1000).text, "before\nafter\n") << "a place of another log";
}

TEST_F(FunctionLogTest, TheOldestGoAndAreSaidToBeMissing) {
  const auto log = logs_.Of("f");
  const std::string line = std::string(64 * 1024 - 1, 'x') + "\n";
  const uint64_t most = FunctionLog::kSegmentBytes * FunctionLog::kSegments;
  for (uint64_t said = 0; said < 2 * most; said += line.size()) log->Append(&one_, line);
  EXPECT_EQ(Files(), FunctionLog::kSegments);
  LogText read = Since(0);
  EXPECT_EQ(read.skipped, most);
  EXPECT_EQ(read.next, most + FunctionLog::kSegmentBytes);
  uint64_t bytes = 0;
  for (read = Since(most); !read.text.empty(); read = Since(read.next)) {
    EXPECT_EQ(read.skipped, 0U);
    bytes += read.text.size();
  }
  EXPECT_EQ(bytes, most);
  EXPECT_EQ(read.next, 2 * most);
  EXPECT_EQ(Newest(line.size() + 4).text, "xxx\n" + line) << "over the border of two files";
}

TEST_F(FunctionLogTest, ALogThatCannotBeKeptHurtsNobody) {
  FunctionLogs nowhere("/proc/nowhere");
  nowhere.Of("f")->Append(&one_, "text");
  EXPECT_EQ(ReadLog("/proc/nowhere", "f", {100, 5}).text, "");
}

}  // namespace
}  // namespace godwit::functions
