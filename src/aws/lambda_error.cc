#include "aws/lambda_error.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "aws/text.h"
#include "functions/model.h"

namespace godwit::aws {
namespace {

LambdaCode CodeFor(Code code) {
  switch (code) {
    case Code::kInvalid:
      return LambdaCode::kInvalidParameterValue;
    case Code::kNotFound:
      return LambdaCode::kResourceNotFound;
    case Code::kConflict:
      return LambdaCode::kResourceConflict;
    case Code::kTooLarge:
      return LambdaCode::kRequestTooLarge;
    case Code::kBusy:
      return LambdaCode::kTooManyRequests;
    case Code::kStale:
      return LambdaCode::kPreconditionFailed;
    case Code::kDenied:
      return LambdaCode::kAccessDenied;
    case Code::kUnsupported:
      return LambdaCode::kNotImplemented;
    case Code::kClosing:
    case Code::kUnavailable:
      return LambdaCode::kServiceUnavailable;
    case Code::kInternal:
    case Code::kCorrupt:
    case Code::kTimeout:
    case Code::kNoSpace:
      break;
  }
  return LambdaCode::kService;
}

}  // namespace

std::string_view ToString(LambdaCode code) {
  switch (code) {
#define X(name, wire, status) \
  case LambdaCode::name:      \
    return wire;
    GODWIT_LAMBDA_ERRORS(X)
#undef X
  }
  return "ServiceException";
}

int HttpStatus(LambdaCode code) {
  switch (code) {
#define X(name, wire, status) \
  case LambdaCode::name:      \
    return status;
    GODWIT_LAMBDA_ERRORS(X)
#undef X
  }
  return 500;
}

LambdaError Translate(const Error& error, std::string_view arn) {
  const LambdaCode code = CodeFor(error.code());
  switch (code) {
    case LambdaCode::kResourceNotFound:
      // What else there is to say of it stands behind the words of AWS.
      return {code,
              error.reason().starts_with(functions::FunctionNotFound("").reason())
                  ? error.reason()
                  : functions::FunctionNotFound(arn).reason(),
              {}};
    case LambdaCode::kTooManyRequests:
      return {code, "Rate Exceeded.", "ConcurrentInvocationLimitExceeded"};
    case LambdaCode::kPreconditionFailed:
      return {code,
              "The Revision Id provided does not match the latest Revision Id. Call the "
              "GetFunction/GetAlias API to retrieve the latest Revision Id",
              {}};
    default:
      return {code, error.ToString(), {}};
  }
}

http::Response ErrorResponse(const LambdaError& error) {
  const int status = HttpStatus(error.code);
  const std::string message = Printable(error.message);
  boost::json::object body{
      {"Type", status < 500 ? "User" : "Service"}, {"Message", message}, {"message", message}};
  if (!error.throttle.empty()) body["Reason"] = error.throttle;
  http::Response response = http::Json(status, boost::json::serialize(body));
  response.headers.emplace_back("x-amzn-ErrorType", std::string(ToString(error.code)));
  if (error.code == LambdaCode::kTooManyRequests) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace godwit::aws
