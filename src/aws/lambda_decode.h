#pragma once

// What the bodies of Lambda's create and update requests ask for, checked against Lambda's limits.
//
// What would make the function behave otherwise than asked (layers, images, another architecture,
// code in a bucket) is refused with a clear text; what only concerns AWS's surroundings (VPC,
// tracing, keys) is taken and not used. Threads: any. Failure: Lambda's errors, with Lambda's
// texts. Source: Lambda API reference, the four operations.
#include <cstdint>
#include <string>
#include <string_view>

#include "aws/lambda_error.h"
#include "functions/model.h"
#include "functions/platform.h"

namespace godwit::aws {

struct CreateRequest {
  std::string function_name;     // as given: it may be an ARN
  functions::FunctionSpec spec;  // its name is left to the caller
  std::string zip;
};

LambdaResult<CreateRequest> DecodeCreate(std::string_view body);
LambdaResult<functions::Deployment> DecodeUpdateCode(std::string_view body);
LambdaResult<functions::FunctionPatch> DecodeUpdateConfiguration(std::string_view body);
// ReservedConcurrentExecutions of PutFunctionConcurrency, at least 1.
LambdaResult<int> DecodeConcurrency(std::string_view body);

}  // namespace godwit::aws
