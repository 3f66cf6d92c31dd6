#pragma once

// The log of a function: what all its instances wrote, in the order in which it came.
//
// Beside the log that each instance has of itself (running_log.h), and kept when instances end, are
// put away, or the function is deleted. A line of one instance is not cut by another's. A place in
// it is a number of bytes since the log began, which neither a restart of the node nor the loss of
// its beginning changes: whoever reads on from where they were reads each byte once. On disk it is
// a directory a function, and in it files named by the place where they begin; the newest
// kSegments are kept. Threads: FunctionLogs and FunctionLog the loop, ReadLog() any. Failure: what
// cannot be written is dropped, and the function goes on; what cannot be read is not there.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "functions/platform.h"

namespace godwit::functions {

class FunctionLog {
 public:
  static constexpr uint64_t kSegmentBytes = 1 << 20;  // a file is ended once it has so many
  static constexpr size_t kSegments = 4;

  explicit FunctionLog(std::string directory) : directory_(std::move(directory)) {}

  // `writer` stands for an instance, nullptr for the platform: a line that somebody else has left
  // unfinished is ended first.
  void Append(const void* writer, std::string_view text);

 private:
  bool OpenNewest();
  void Begin();

  std::string directory_;
  Fd file_;
  uint64_t begins_ = 0;  // the place where the open file begins
  uint64_t bytes_ = 0;   // in the open file
  const void* last_writer_ = nullptr;
  bool unfinished_ = false;
};

// The logs that are written to at present: one for each function, however many instances it has.
class FunctionLogs {
 public:
  explicit FunctionLogs(std::string directory) : directory_(std::move(directory)) {}

  std::shared_ptr<FunctionLog> Of(const std::string& function);

 private:
  std::string directory_;
  std::map<std::string, std::weak_ptr<FunctionLog>> logs_;
  size_t tidy_at_ = 64;  // those that have ended are forgotten once there are so many
};

// `directory` is that of all logs. With `asked.after` what came since, the oldest of it first; else
// the newest of all.
LogText ReadLog(const std::string& directory, const std::string& function, const LogRange& asked);

}  // namespace godwit::functions
