#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

namespace godwit {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

Log::Log(std::string_view name, LogLevel level)
    : logger_(std::make_shared<spdlog::logger>(std::string(name),
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())),
      level_(level) {
  logger_->set_level(LevelOf(level));
  logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%e %L %n: %v");
}

Log Log::Named(std::string_view name) const {
  Log other = *this;
  other.logger_ = logger_->clone(std::string(name));
  return other;
}

void Log::Write(LogLevel level, std::string_view text) const {
  logger_->log(LevelOf(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace godwit
