#include "aws/runtime_route.h"

namespace godwit::aws {
namespace {

constexpr std::string_view kVersion = "/2018-06-01";
constexpr std::string_view kInvocation = "/runtime/invocation/";
constexpr std::string_view kResponse = "/response";
constexpr std::string_view kError = "/error";

RuntimeRoute Expect(bool right_method, RuntimeCall call, std::string_view id = {}) {
  return {right_method ? call : RuntimeCall::kOtherMethod, id};
}

}  // namespace

RuntimeRoute FindRuntimeRoute(std::string_view method, std::string_view path) {
  const bool get = method == "GET";
  const bool post = method == "POST";
  if (path == "/ping") return Expect(get, RuntimeCall::kPing);
  if (!path.starts_with(kVersion)) return {};
  path.remove_prefix(kVersion.size());
  if (path == "/ping") return Expect(get, RuntimeCall::kPing);
  if (path == "/runtime/init/error") return Expect(post, RuntimeCall::kInitError);
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
