#include "functions/call_report.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace godwit::functions {
namespace {

double Millis(Nanos span) {
  return std::chrono::duration<double, std::milli>(std::max(span, Nanos(0))).count();
}

// Lambda counts 1024 * 1024 bytes a MB, and begun ones.
uint64_t Megabytes(uint64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }

}  // namespace

std::string StartLine(const CallReport& report) {
  return fmt::format("START RequestId: {} Version: {}\n", report.id.text, report.version);
}

std::string EndLines(const CallReport& report) {
  const double duration = Millis(report.awake);
  std::string lines = fmt::format(
      "END RequestId: {0}\n"
      "REPORT RequestId: {0}\tDuration: {1:.2f} ms\tBilled Duration: {2:.0f} ms\t"
      "Memory Size: {3} MB",
      report.id.text, duration, std::ceil(duration), report.memory_mb);
  if (report.memory_peak)
    lines += fmt::format("\tMax Memory Used: {} MB", Megabytes(*report.memory_peak));
  if (report.put_away)
    lines += fmt::format("\tPut Away Duration: {:.2f} ms", Millis(*report.put_away));
  return lines + '\n';
}

std::string FailureLines(const RequestId& id, std::string_view type, std::string_view message,
                         WallTime now) {
  if (type == "Sandbox.Timedout")
    return fmt::format("{} {} {}\n", FormatRfc3339(now), id.text, message);
  return fmt::format("RequestId: {} Error: {}\n{}\n", id.text, message, type);
}

std::string InitFailureLines(std::string_view type, std::string_view message, Nanos took,
                             WallTime now) {
  return fmt::format(
      "{} {}\nINIT_REPORT Init Duration: {:.2f} ms\tPhase: init\tStatus: {}\tError Type: {}\n",
      FormatRfc3339(now), message, Millis(took), type == "Sandbox.Timedout" ? "timeout" : "error",
      type);
}

}  // namespace godwit::functions
