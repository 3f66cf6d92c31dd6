#include "aws/lambda_violations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace godwit::aws {

void Violations::Missing(std::string_view where) {
  found_.push_back(fmt::format(
      "Value null at '{}' failed to satisfy constraint: Member must not be null", where));
}

void Violations::Range(std::string_view where, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  const bool low = value < least;
  found_.push_back(
      fmt::format("Value '{}' at '{}' failed to satisfy constraint: Member must have value {} than "
                  "or equal to {}",
                  value, where, low ? "greater" : "less", low ? least : most));
}

void Violations::Length(std::string_view where, std::string_view value, size_t most) {
  if (value.size() <= most) return;
  found_.push_back(
      fmt::format("Value '{}' at '{}' failed to satisfy constraint: Member must have length less "
                  "than or equal to {}",
                  value, where, most));
}

void Violations::Pattern(std::string_view where, std::string_view value, bool fits,
                         std::string_view pattern) {
  if (fits) return;
  found_.push_back(
      fmt::format("Value '{}' at '{}' failed to satisfy constraint: Member must satisfy regular "
                  "expression pattern: {}",
                  value, where, pattern));
}

void Violations::Choice(std::string_view where, std::string_view value, bool fits,
                        std::string_view choices) {
  if (fits) return;
  found_.push_back(fmt::format(
      "Value '{}' at '{}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
      value, where, choices));
}

LambdaResult<> Violations::Check() const {
  if (found_.empty()) return {};
  return Refuse(LambdaCode::kValidation, "{} validation error{} detected: {}", found_.size(),
                found_.size() == 1 ? "" : "s", fmt::join(found_, "; "));
}

}  // namespace godwit::aws
