#pragma once

// The node's own log: one line an event, on standard error, with time and level.
//
// Who handles an error logs it, once; who passes it on does not. A Log is passed down from the
// composition root. Threads: any. Failure: a line that cannot be written is lost.
#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>

namespace spdlog::sinks {
class sink;
}

namespace godwit {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

class Log {
 public:
  // `name` stands in each line, so that a reader sees which part speaks.
  explicit Log(std::string_view name, LogLevel level = LogLevel::kInfo);
  // The same log under another name.
  Log Named(std::string_view name) const;

  template <typename... Args>
  void Debug(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::kDebug)
      Write(LogLevel::kDebug, fmt::format(text, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Info(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::kInfo)
      Write(LogLevel::kInfo, fmt::format(text, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Warning(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::kWarning)
      Write(LogLevel::kWarning, fmt::format(text, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void Error(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::kError)
      Write(LogLevel::kError, fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  void Write(LogLevel level, std::string_view text) const;

  std::shared_ptr<spdlog::sinks::sink> sink_;  // of all that come of one
  std::string name_;
  LogLevel level_;
};

}  // namespace godwit
