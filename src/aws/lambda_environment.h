#pragma once

// The rules for a function's environment variables: names, reserved names, size.
//
// Threads: any. Failure: InvalidParameterValueException with Lambda's texts.
// Source: Lambda developer guide, "Defined runtime environment variables"; API reference,
// Environment.
#include <map>
#include <string>

#include "aws/lambda_error.h"

namespace godwit::aws {

LambdaResult<> CheckEnvironment(const std::map<std::string, std::string>& variables);

}  // namespace godwit::aws
