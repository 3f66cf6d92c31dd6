#include "functions/model.h"

namespace godwit::functions {

Error FunctionNotFound(std::string_view arn) {
  return {Code::kNotFound, fmt::format("Function not found: {}", arn)};
}

std::string_view ToString(CallStatus status) {
  switch (status) {
    case CallStatus::kQueued:
      return "QUEUED";
    case CallStatus::kRunning:
      return "RUNNING";
    case CallStatus::kSucceeded:
      return "SUCCEEDED";
    case CallStatus::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

}  // namespace godwit::functions
