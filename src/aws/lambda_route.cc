#include "aws/lambda_route.h"

#include <algorithm>
#include <iterator>

#include "functions/model.h"

namespace godwit::aws {
namespace {

constexpr auto kNone = Operation::kNotServed;

// In a pattern, {} is the segment that names the function, and * any other.
struct Row {
  Operation operation;
  std::string_view name;
  std::string_view method;
  std::string_view date;
  std::string_view pattern;
};

// The busiest first.
constexpr Row kRows[] = {
    {Operation::kInvoke, "Invoke", "POST", "2015-03-31", "functions/{}/invocations"},
    {Operation::kInvokeAsync, "InvokeAsync", "POST", "2014-11-13", "functions/{}/invoke-async"},
    {Operation::kCreateFunction, "CreateFunction", "POST", "2015-03-31", "functions"},
    {Operation::kListFunctions, "ListFunctions", "GET", "2015-03-31", "functions"},
    {Operation::kGetFunction, "GetFunction", "GET", "2015-03-31", "functions/{}"},
    {Operation::kDeleteFunction, "DeleteFunction", "DELETE", "2015-03-31", "functions/{}"},
    {Operation::kGetFunctionConfiguration, "GetFunctionConfiguration", "GET", "2015-03-31",
     "functions/{}/configuration"},
    {Operation::kUpdateFunctionConfiguration, "UpdateFunctionConfiguration", "PUT", "2015-03-31",
     "functions/{}/configuration"},
    {Operation::kUpdateFunctionCode, "UpdateFunctionCode", "PUT", "2015-03-31",
     "functions/{}/code"},
    {Operation::kPutFunctionConcurrency, "PutFunctionConcurrency", "PUT", "2017-10-31",
     "functions/{}/concurrency"},
    {Operation::kGetFunctionConcurrency, "GetFunctionConcurrency", "GET", "2019-09-30",
     "functions/{}/concurrency"},
    {Operation::kDeleteFunctionConcurrency, "DeleteFunctionConcurrency", "DELETE", "2017-10-31",
     "functions/{}/concurrency"},
    {Operation::kListTags, "ListTags", "GET", "2017-03-31", "tags/{}"},
    {kNone, "AddLayerVersionPermission", "POST", "2018-10-31", "layers/*/versions/*/policy"},
    {kNone, "AddPermission", "POST", "2015-03-31", "functions/{}/policy"},
    {kNone, "CheckpointDurableExecution", "POST", "2025-12-01", "durable-executions/*/checkpoint"},
    {kNone, "CreateAlias", "POST", "2015-03-31", "functions/{}/aliases"},
    {kNone, "CreateCapacityProvider", "POST", "2025-11-30", "capacity-providers"},
    {kNone, "CreateCodeSigningConfig", "POST", "2020-04-22", "code-signing-configs"},
    {kNone, "CreateEventSourceMapping", "POST", "2015-03-31", "event-source-mappings"},
    {kNone, "CreateFunctionUrlConfig", "POST", "2021-10-31", "functions/{}/url"},
    {kNone, "DeleteAlias", "DELETE", "2015-03-31", "functions/{}/aliases/*"},
    {kNone, "DeleteCapacityProvider", "DELETE", "2025-11-30", "capacity-providers/*"},
    {kNone, "DeleteCodeSigningConfig", "DELETE", "2020-04-22", "code-signing-configs/*"},
    {kNone, "DeleteEventSourceMapping", "DELETE", "2015-03-31", "event-source-mappings/*"},
    {kNone, "DeleteFunctionCodeSigningConfig", "DELETE", "2020-06-30",
     "functions/{}/code-signing-config"},
    {kNone, "DeleteFunctionEventInvokeConfig", "DELETE", "2019-09-25",
     "functions/{}/event-invoke-config"},
    {kNone, "DeleteFunctionUrlConfig", "DELETE", "2021-10-31", "functions/{}/url"},
    {kNone, "DeleteLayerVersion", "DELETE", "2018-10-31", "layers/*/versions/*"},
    {kNone, "DeleteProvisionedConcurrencyConfig", "DELETE", "2019-09-30",
     "functions/{}/provisioned-concurrency"},
    {kNone, "GetAccountSettings", "GET", "2016-08-19", "account-settings"},
    {kNone, "GetAlias", "GET", "2015-03-31", "functions/{}/aliases/*"},
    {kNone, "GetCapacityProvider", "GET", "2025-11-30", "capacity-providers/*"},
    {kNone, "GetCodeSigningConfig", "GET", "2020-04-22", "code-signing-configs/*"},
    {kNone, "GetDurableExecution", "GET", "2025-12-01", "durable-executions/*"},
    {kNone, "GetDurableExecutionHistory", "GET", "2025-12-01", "durable-executions/*/history"},
    {kNone, "GetDurableExecutionState", "GET", "2025-12-01", "durable-executions/*/state"},
    {kNone, "GetEventSourceMapping", "GET", "2015-03-31", "event-source-mappings/*"},
    {kNone, "GetFunctionCodeSigningConfig", "GET", "2020-06-30",
     "functions/{}/code-signing-config"},
    {kNone, "GetFunctionEventInvokeConfig", "GET", "2019-09-25",
     "functions/{}/event-invoke-config"},
    {kNone, "GetFunctionRecursionConfig", "GET", "2024-08-31", "functions/{}/recursion-config"},
    {kNone, "GetFunctionScalingConfig", "GET", "2025-11-30",
     "functions/{}/function-scaling-config"},
    {kNone, "GetFunctionUrlConfig", "GET", "2021-10-31", "functions/{}/url"},
    {kNone, "GetLayerVersion", "GET", "2018-10-31", "layers/*/versions/*"},
    {kNone, "GetLayerVersionPolicy", "GET", "2018-10-31", "layers/*/versions/*/policy"},
    {kNone, "GetPolicy", "GET", "2015-03-31", "functions/{}/policy"},
    {kNone, "GetProvisionedConcurrencyConfig", "GET", "2019-09-30",
     "functions/{}/provisioned-concurrency"},
    {kNone, "GetRuntimeManagementConfig", "GET", "2021-07-20",
     "functions/{}/runtime-management-config"},
    {kNone, "InvokeWithResponseStream", "POST", "2021-11-15",
     "functions/{}/response-streaming-invocations"},
    {kNone, "ListAliases", "GET", "2015-03-31", "functions/{}/aliases"},
    {kNone, "ListCapacityProviders", "GET", "2025-11-30", "capacity-providers"},
    {kNone, "ListCodeSigningConfigs", "GET", "2020-04-22", "code-signing-configs"},
    {kNone, "ListDurableExecutionsByFunction", "GET", "2025-12-01",
     "functions/{}/durable-executions"},
    {kNone, "ListEventSourceMappings", "GET", "2015-03-31", "event-source-mappings"},
    {kNone, "ListFunctionEventInvokeConfigs", "GET", "2019-09-25",
     "functions/{}/event-invoke-config/list"},
    {kNone, "ListFunctionUrlConfigs", "GET", "2021-10-31", "functions/{}/urls"},
    {kNone, "ListFunctionVersionsByCapacityProvider", "GET", "2025-11-30",
     "capacity-providers/*/function-versions"},
    {kNone, "ListFunctionsByCodeSigningConfig", "GET", "2020-04-22",
     "code-signing-configs/*/functions"},
    {kNone, "ListLayerVersions", "GET", "2018-10-31", "layers/*/versions"},
    {kNone, "ListLayers", "GET", "2018-10-31", "layers"},
    {kNone, "ListVersionsByFunction", "GET", "2015-03-31", "functions/{}/versions"},
    {kNone, "PublishLayerVersion", "POST", "2018-10-31", "layers/*/versions"},
    {kNone, "PublishVersion", "POST", "2015-03-31", "functions/{}/versions"},
    {kNone, "PutFunctionCodeSigningConfig", "PUT", "2020-06-30",
     "functions/{}/code-signing-config"},
    {kNone, "PutFunctionEventInvokeConfig", "PUT", "2019-09-25",
     "functions/{}/event-invoke-config"},
    {kNone, "PutFunctionRecursionConfig", "PUT", "2024-08-31", "functions/{}/recursion-config"},
    {kNone, "PutFunctionScalingConfig", "PUT", "2025-11-30",
     "functions/{}/function-scaling-config"},
    {kNone, "PutProvisionedConcurrencyConfig", "PUT", "2019-09-30",
     "functions/{}/provisioned-concurrency"},
    {kNone, "PutRuntimeManagementConfig", "PUT", "2021-07-20",
     "functions/{}/runtime-management-config"},
    {kNone, "RemoveLayerVersionPermission", "DELETE", "2018-10-31", "layers/*/versions/*/policy/*"},
    {kNone, "RemovePermission", "DELETE", "2015-03-31", "functions/{}/policy/*"},
    {kNone, "SendDurableExecutionCallbackFailure", "POST", "2025-12-01",
     "durable-execution-callbacks/*/fail"},
    {kNone, "SendDurableExecutionCallbackHeartbeat", "POST", "2025-12-01",
     "durable-execution-callbacks/*/heartbeat"},
    {kNone, "SendDurableExecutionCallbackSuccess", "POST", "2025-12-01",
     "durable-execution-callbacks/*/succeed"},
    {kNone, "StopDurableExecution", "POST", "2025-12-01", "durable-executions/*/stop"},
    {kNone, "TagResource", "POST", "2017-03-31", "tags/*"},
    {kNone, "UntagResource", "DELETE", "2017-03-31", "tags/*"},
    {kNone, "UpdateAlias", "PUT", "2015-03-31", "functions/{}/aliases/*"},
    {kNone, "UpdateCapacityProvider", "PUT", "2025-11-30", "capacity-providers/*"},
    {kNone, "UpdateCodeSigningConfig", "PUT", "2020-04-22", "code-signing-configs/*"},
    {kNone, "UpdateEventSourceMapping", "PUT", "2015-03-31", "event-source-mappings/*"},
    {kNone, "UpdateFunctionEventInvokeConfig", "POST", "2019-09-25",
     "functions/{}/event-invoke-config"},
    {kNone, "UpdateFunctionUrlConfig", "PUT", "2021-10-31", "functions/{}/url"},
};

// The next segment of `path`, taken from its front with the slash behind it.
std::string_view TakeSegment(std::string_view& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return segment;
}

bool Matches(std::string_view pattern, std::string_view path, std::string_view& function) {
  while (!pattern.empty()) {
    const std::string_view want = TakeSegment(pattern);
    const std::string_view have = TakeSegment(path);
    if (want == "{}") function = have;
    if (have.empty() || (want != "{}" && want != "*" && want != have)) return false;
  }
  return path.empty();
}

constexpr size_t kDateLength = std::string_view("2015-03-31").size();

}  // namespace

bool IsLambdaPath(std::string_view path) {
  if (path.size() < kDateLength + 2 || path[0] != '/' || path[kDateLength + 1] != '/') return false;
  const std::string_view date = path.substr(1, kDateLength);
  return std::ranges::any_of(kRows, [&](const Row& row) { return row.date == date; });
}

std::optional<Route> FindRoute(std::string_view method, std::string_view path) {
  if (!IsLambdaPath(path)) return std::nullopt;
  const std::string_view date = path.substr(1, kDateLength);
  const std::string_view rest = path.substr(kDateLength + 2);
  for (const Row& row : kRows) {
    Route route{row.operation, row.name, {}};
    if (row.date == date && row.method == method && Matches(row.pattern, rest, route.function))
      return route;
  }
  return std::nullopt;
}

size_t LambdaBodyLimit(std::string_view method, std::string_view path) {
  const auto route = FindRoute(method, path);
  if (!route) return size_t{64} << 10;
  switch (route->operation) {
    case Operation::kInvoke:
    case Operation::kInvokeAsync:
      return 2 * functions::kMaxSyncPayload;
    case Operation::kCreateFunction:
    case Operation::kUpdateFunctionCode:
      return functions::kMaxCode / 3 * 4 + (size_t{4} << 20);  // base64, and the settings beside it
    default:
      return size_t{1} << 20;
  }
}

}  // namespace godwit::aws
