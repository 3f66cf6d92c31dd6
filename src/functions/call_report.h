#pragma once

// What the platform itself says of a call, in Lambda's words: for LogType=Tail, and in the
// function's log where the platform ended the call.
//
//   START RequestId: ID Version: $LATEST
//   2026-11-22T01:19:00.123Z ID Task timed out after 3.00 seconds
//   END RequestId: ID
//   REPORT RequestId: ID<tab>Duration: 1.21 ms<tab>Billed Duration: 2 ms<tab>Memory Size: 128 MB …
// Source: "Lambda sends logs to CloudWatch", "Understanding the log" of the Lambda Developer Guide.
// Godwit's own is the last field of a REPORT, "Put Away Duration": the time that did not count,
// which Duration leaves out. Threads: any. Failure: none.
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"

namespace godwit::functions {

struct CallReport {
  RequestId id;
  std::string version;
  Nanos awake{};
  std::optional<Nanos> put_away;  // if it was
  int memory_mb = 0;
  std::optional<uint64_t> memory_peak;  // bytes; if the kernel counts it
};

std::string StartLine(const CallReport& report);
// Both lines.
std::string EndLines(const CallReport& report);
// Why the platform ended the call: `type` is that of the error object.
std::string FailureLines(const RequestId& id, std::string_view type, std::string_view message,
                         WallTime now);
// A start that failed: after so long, with this error.
std::string InitFailureLines(std::string_view type, std::string_view message, Nanos took,
                             WallTime now);

}  // namespace godwit::functions
