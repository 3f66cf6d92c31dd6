#include "checkpoint/activity.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

uint64_t NumberIn(const std::string& line) {
  const size_t at = line.find_last_of(" \t") + 1;
  uint64_t number = 0;
  std::from_chars(line.data() + at, line.data() + line.size(), number);
  return number;
}

}  // namespace

Activity ReadActivity(const std::vector<int>& pids) {
  Activity activity;
  activity.asleep = !pids.empty();
  for (const int pid : pids) {
    std::error_code error;
    for (fs::directory_iterator it(fmt::format("/proc/{}/task", pid), error), end;
         !error && it != end; it.increment(error)) {
      std::ifstream status(it->path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("State:") && line.find("S (sleeping)") == std::string::npos)
          activity.asleep = false;
        if (line.find("ctxt_switches:") != std::string::npos) activity.switches += NumberIn(line);
      }
      ++activity.threads;
    }
  }
  return activity;
}

}  // namespace godwit::checkpoint
