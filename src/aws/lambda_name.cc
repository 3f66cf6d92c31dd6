#include "aws/lambda_name.h"

#include <algorithm>
#include <array>
#include <span>

namespace godwit::aws {
namespace {

constexpr size_t kMaxText = 170;  // of a full ARN with qualifier
constexpr size_t kMaxName = 64;
constexpr size_t kMaxQualifier = 128;

// Lambda prints its patterns; so do we, for those who know them.
constexpr std::string_view kPattern =
    R"((arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?)"
    R"(([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?)";

bool IsWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

bool IsAccount(std::string_view text) {
  return text.size() == 12 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool IsRegion(std::string_view text) {
  return text.size() <= 32 && IsWord(text) && !text.contains('_');
}

bool IsPartition(std::string_view text) { return text.starts_with("aws") && IsRegion(text); }

bool IsQualifier(std::string_view text) { return text == "$LATEST" || IsWord(text); }

std::unexpected<LambdaError> BadName(std::string_view text) {
  return Refuse(
      LambdaCode::kValidation,
      "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: "
      "Member must satisfy regular expression pattern: {}",
      text, kPattern);
}

std::unexpected<LambdaError> TooLong(std::string_view text, std::string_view where, size_t limit) {
  return Refuse(LambdaCode::kValidation,
                "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: "
                "Member must have length less than or equal to {}",
                text, where, limit);
}

// Up to eight parts between colons, the most that an ARN has.
class Parts {
 public:
  explicit Parts(std::string_view text) {
    while (count_ < parts_.size()) {
      const size_t colon = text.find(':');
      parts_[count_++] = text.substr(0, colon);
      if (colon == text.npos) return;
      text.remove_prefix(colon + 1);
    }
    overflowed_ = true;
  }
  std::span<const std::string_view> all() const {
    return std::span(parts_).first(overflowed_ ? 0 : count_);
  }

 private:
  std::array<std::string_view, 8> parts_;
  size_t count_ = 0;
  bool overflowed_ = false;
};

}  // namespace

std::string FunctionRef::Arn() const {
  return fmt::format("arn:{}:lambda:{}:{}:function:{}", partition, region, account, name);
}

std::string FunctionRef::QualifiedArn() const {
  return qualifier.empty() ? Arn() : Arn() + ":" + qualifier;
}

LambdaResult<FunctionRef> ParseFunctionRef(std::string_view text, std::string_view qualifier,
                                           const Identity& self) {
  if (text.size() > kMaxText) return TooLong(text, "functionName", kMaxText);
  FunctionRef ref;
  ref.region = self.region;
  ref.account = self.account;
  const Parts parts(text);
  std::span<const std::string_view> rest = parts.all();
  if (rest.size() >= 7 && rest[0] == "arn") {
    if (!IsPartition(rest[1]) || rest[2] != "lambda" || !IsRegion(rest[3]) || !IsAccount(rest[4]) ||
        rest[5] != "function") {
      return BadName(text);
    }
    ref.partition = rest[1];
    ref.region = rest[3];
    ref.account = rest[4];
    rest = rest.subspan(6);
  } else {
    if (rest.size() > 1 && IsAccount(rest[0])) {
      ref.account = rest[0];
      rest = rest.subspan(1);
    }
    if (rest.size() > 1 && rest[0] == "function") rest = rest.subspan(1);
  }
  if (rest.empty() || rest.size() > 2 || !IsWord(rest[0])) return BadName(text);
  if (rest[0].size() > kMaxName) return TooLong(rest[0], "functionName", kMaxName);
  ref.name = rest[0];
  if (rest.size() == 2) {
    if (!IsQualifier(rest[1])) return BadName(text);
    ref.qualifier = rest[1];
  }
  if (qualifier.empty()) return ref;
  if (qualifier.size() > kMaxQualifier) return TooLong(qualifier, "qualifier", kMaxQualifier);
  if (!IsQualifier(qualifier)) {
    return Refuse(
        LambdaCode::kValidation,
        "1 validation error detected: Value '{}' at 'qualifier' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)",
        qualifier);
  }
  if (!ref.qualifier.empty() && ref.qualifier != qualifier) {
    return Refuse(
        LambdaCode::kInvalidParameterValue,
        "The derived qualifier from the function name does not match the specified qualifier.");
  }
  ref.qualifier = qualifier;
  return ref;
}

}  // namespace godwit::aws
