#include "aws/lambda_environment.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace godwit::aws {
namespace {

constexpr size_t kMaxBytes = 4096;  // of all names and values

constexpr std::array<std::string_view, 18> kReserved = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsVariableName(std::string_view name) {
  return name.size() >= 2 && IsLetter(name[0]) && std::ranges::all_of(name, [](char c) {
           return IsLetter(c) || (c >= '0' && c <= '9') || c == '_';
         });
}

}  // namespace

LambdaResult<> CheckEnvironment(const std::map<std::string, std::string>& variables) {
  size_t bytes = 0;
  std::string reserved;
  for (const auto& [name, value] : variables) {
    bytes += name.size() + value.size();
    if (std::ranges::find(kReserved, name) != kReserved.end()) {
      reserved += reserved.empty() ? name : ", " + name;
      continue;
    }
    if (!IsVariableName(name)) {
      return Refuse(
          LambdaCode::kValidation,
          "1 validation error detected: Value at 'environment.variables' failed to satisfy "
          "constraint: Map "
          "keys must satisfy constraint: [Member must satisfy regular expression pattern: "
          "[a-zA-Z]([a-zA-Z0-9_])+] (the key is '{}')",
          name);
    }
    if (value.contains('\0')) {
      return Refuse(LambdaCode::kInvalidParameterValue,
                    "The value of the environment variable '{}' has a null character in it.", name);
    }
  }
  if (!reserved.empty()) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Lambda was unable to configure your environment variables because the "
                  "environment variables you "
                  "have provided contains reserved keys that are currently not supported for "
                  "modification. Reserved "
                  "keys used in this request: {}",
                  reserved);
  }
  if (bytes > kMaxBytes) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Lambda was unable to configure your environment variables because the "
                  "environment variables you "
                  "have provided exceeded the 4KB limit. They have {} bytes.",
                  bytes);
  }
  return {};
}

}  // namespace godwit::aws
