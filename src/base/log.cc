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
    : sink_(std::make_shared<spdlog::sinks::stderr_sink_mt>()), name_(name), level_(level) {
  sink_->set_pattern("%Y-%m-%dT%H:%M:%S.%e %L %n: %v");
}

Log Log::Named(std::string_view name) const {
  Log other = *this;
  other.name_ = name;
  return other;
}

void Log::Write(LogLevel level, std::string_view text) const {
  try {
    sink_->log({name_, LevelOf(level), {text.data(), text.size()}});
  } catch (const spdlog::spdlog_ex&) {  // it is lost
  }
}

}  // namespace godwit
