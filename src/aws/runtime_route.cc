#include "aws/runtime_route.h"

namespace godwit::aws {
namespace {

constexpr std::string_view kVersion = "/2018-06-01";
constexpr std::string_view kInvocation = "/runtime/invocation/";
constexpr std::string_view kResponse = "/response";
constexpr std::string_view kError = "/error";
constexpr std::string_view kOwnInvocations = "/godwit/v1/invocations/";
constexpr std::string_view kCallbacks = "/callbacks/";
constexpr size_t kMostDigits = 9;

RuntimeRoute Expect(bool right_method, RuntimeCall call, std::string_view id = {}) {
  return {right_method ? call : RuntimeCall::kOtherMethod, id};
}

// "ID/callbacks/N", with N as it is written without leading zeros.
RuntimeRoute FindCallback(bool get, std::string_view path) {
  const size_t end = path.find('/');
  if (end == 0 || end == path.npos || !path.substr(end).starts_with(kCallbacks)) return {};
  const std::string_view digits = path.substr(end + kCallbacks.size());
  if (digits.empty() || digits.size() > kMostDigits) return {};
  if (digits.size() > 1 && digits.front() == '0') return {};
  uint32_t number = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return {};
    number = number * 10 + static_cast<uint32_t>(digit - '0');
  }
  return {get ? RuntimeCall::kCallback : RuntimeCall::kOtherMethod, path.substr(0, end), number};
}

}  // namespace

RuntimeRoute FindRuntimeRoute(std::string_view method, std::string_view path) {
  const bool get = method == "GET";
  const bool post = method == "POST";
  if (path == "/ping") return Expect(get, RuntimeCall::kPing);
  if (path.starts_with(kOwnInvocations))
    return FindCallback(get, path.substr(kOwnInvocations.size()));
  if (!path.starts_with(kVersion)) return {};
  path.remove_prefix(kVersion.size());
  if (path == "/ping") return Expect(get, RuntimeCall::kPing);
  if (path == "/runtime/init/error") return Expect(post, RuntimeCall::kInitError);
  if (path == "/runtime/restore/next") return Expect(get, RuntimeCall::kRestoreNext);
  if (path == "/runtime/restore/error") return Expect(post, RuntimeCall::kRestoreError);
  if (!path.starts_with(kInvocation)) return {};
  path.remove_prefix(kInvocation.size());
  if (path == "next") return Expect(get, RuntimeCall::kNext);
  const bool response = path.ends_with(kResponse);
  if (!response && !path.ends_with(kError)) return {};
  path.remove_suffix(response ? kResponse.size() : kError.size());
  if (path.empty() || path.contains('/')) return {};
  return Expect(post, response ? RuntimeCall::kResponse : RuntimeCall::kError, path);
}

}  // namespace godwit::aws
