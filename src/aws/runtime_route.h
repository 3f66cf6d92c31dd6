#pragma once

// Which call of the Runtime API a request from inside a sandbox means.
//
// Threads: any. Failure: kUnknown, or kOtherMethod for a path that has another method.
// Source: AWS Lambda Runtime API 2018-06-01, and its two calls for SnapStart; kCallback is Godwit's
// own (docs/callbacks.md).
#include <cstdint>
#include <string_view>

namespace godwit::aws {

enum class RuntimeCall {
  kNext,
  kResponse,
  kError,
  kInitError,
  kRestoreNext,
  kRestoreError,
  kPing,
  kCallback,
  kOtherMethod,
  kUnknown
};

struct RuntimeRoute {
  RuntimeCall call = RuntimeCall::kUnknown;
  std::string_view id;  // the invocation's, of kResponse, kError and kCallback; a part of the path
  uint32_t number = 0;  // of kCallback
};

RuntimeRoute FindRuntimeRoute(std::string_view method, std::string_view path);

}  // namespace godwit::aws
