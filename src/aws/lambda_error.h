#pragma once

// Why a Lambda request was refused, in Lambda's own words, and the Result that carries it.
//
// One table gives each error its wire name and HTTP status; Translate() is the one place where the
// platform's codes become Lambda's. Clients read the name from the header `x-amzn-ErrorType` and
// the text from `message` or `Message`. Threads: values. Failure: none of their own. Source: Lambda
// API reference 2015-03-31, "Errors" of each operation.
#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "http/message.h"

namespace godwit::aws {

#define GODWIT_LAMBDA_ERRORS(X) /* name, wire name, HTTP status */ \
  X(kValidation, "ValidationException", 400)                       \
  X(kInvalidParameterValue, "InvalidParameterValueException", 400) \
  X(kInvalidRequestContent, "InvalidRequestContentException", 400) \
  X(kSerialization, "SerializationException", 400)                 \
  X(kAccessDenied, "AccessDeniedException", 403)                   \
  X(kResourceNotFound, "ResourceNotFoundException", 404)           \
  X(kUnknownOperation, "UnknownOperationException", 404)           \
  X(kResourceConflict, "ResourceConflictException", 409)           \
  X(kPreconditionFailed, "PreconditionFailedException", 412)       \
  X(kRequestTooLarge, "RequestTooLargeException", 413)             \
  X(kTooManyRequests, "TooManyRequestsException", 429)             \
  X(kService, "ServiceException", 500)                             \
  X(kNotImplemented, "NotImplementedException", 501)               \
  X(kServiceUnavailable, "ServiceUnavailableException", 503)

enum class LambdaCode {
#define X(name, wire, status) name,
  GODWIT_LAMBDA_ERRORS(X)
#undef X
};

std::string_view ToString(LambdaCode code);  // the wire name
int HttpStatus(LambdaCode code);

struct LambdaError {
  LambdaCode code = LambdaCode::kService;
  std::string message;
  std::string_view throttle;  // the `Reason` of kTooManyRequests, else empty

  bool operator==(const LambdaError&) const = default;
};

template <typename T = void>
class [[nodiscard]] LambdaResult : public std::expected<T, LambdaError> {
 public:
  using std::expected<T, LambdaError>::expected;
};

template <typename... Args>
std::unexpected<LambdaError> Refuse(LambdaCode code, fmt::format_string<Args...> message,
                                    Args&&... args) {
  return std::unexpected(LambdaError{code, fmt::format(message, std::forward<Args>(args)...), {}});
}

// The platform's error as Lambda's. `arn` names the function the request was about.
LambdaError Translate(const Error& error, std::string_view arn);

// The answer: JSON with Type, Message and message, and the header that names the error.
http::Response ErrorResponse(const LambdaError& error);

}  // namespace godwit::aws
