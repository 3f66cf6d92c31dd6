#pragma once

// A function as Lambda's API shows it: the one place where each field gets its wire name.
//
// A function is Active as soon as it is there, and every update is Successful when it is answered:
// what clients wait for holds at once. Threads: any. Failure: none. Source: Lambda API reference,
// FunctionConfiguration.
#include <boost/json/object.hpp>
#include <string_view>

#include "aws/lambda_name.h"
#include "functions/model.h"

namespace godwit::aws {

// FunctionConfiguration, as GetFunctionConfiguration and the others answer with.
boost::json::object ConfigurationJson(const functions::Function& function, const FunctionRef& ref);

// The answer of GetFunction. `origin` is this node as the caller reaches it, such as
// "http://127.0.0.1:9000".
boost::json::object FunctionJson(const functions::Function& function, const FunctionRef& ref,
                                 std::string_view origin);

// ReservedConcurrentExecutions, or nothing if none is set.
boost::json::object ConcurrencyJson(const functions::Function& function);

// What this build runs: "x86_64" or "arm64".
std::string_view Architecture();

}  // namespace godwit::aws
