#pragma once

// Which operation of Lambda's REST API a request means.
//
// The table has every operation that clients know, also those that Godwit does not serve: they get
// a clear refusal instead of a riddle. A trailing slash makes no difference. Threads: any. Failure:
// nullopt for a path that is none of them. Source: the service models of botocore 1.29 and 1.43
// (method and requestUri of each operation).
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::aws {

enum class Operation {
  kInvoke,
  kInvokeAsync,
  kCreateFunction,
  kListFunctions,
  kGetFunction,
  kDeleteFunction,
  kGetFunctionConfiguration,
  kUpdateFunctionConfiguration,
  kUpdateFunctionCode,
  kPutFunctionConcurrency,
  kGetFunctionConcurrency,
  kDeleteFunctionConcurrency,
  kListTags,
  kNotServed,
};

struct Route {
  Operation operation = Operation::kNotServed;
  std::string_view name;  // the operation's, as AWS calls it
  std::string_view
      function;  // the segment of `path` that names the function, percent-encoded; may be empty
};

// `path` is the request's, undecoded; the result refers to it.
std::optional<Route> FindRoute(std::string_view method, std::string_view path);

// Whether the path begins with a version that belongs to Lambda's API, such as "/2015-03-31/".
bool IsLambdaPath(std::string_view path);

// How large a body the route may get. Beyond what Lambda takes, but not much, so that it is
// Lambda's refusal that is sent.
size_t LambdaBodyLimit(std::string_view method, std::string_view path);

}  // namespace godwit::aws
