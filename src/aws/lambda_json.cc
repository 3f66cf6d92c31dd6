#include "aws/lambda_json.h"

#include <boost/json/array.hpp>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"

namespace godwit::aws {
namespace {

namespace json = boost::json;

json::object MapJson(const std::map<std::string, std::string>& map) {
  json::object object;
  object.reserve(map.size());
  for (const auto& [key, value] : map) object.emplace(key, value);
  return object;
}

json::object ImageConfigJson(const images::ImageConfig& config) {
  json::object out;
  if (!config.entrypoint.empty())
    out["EntryPoint"] = json::array(config.entrypoint.begin(), config.entrypoint.end());
  if (!config.command.empty())
    out["Command"] = json::array(config.command.begin(), config.command.end());
  if (!config.directory.empty()) out["WorkingDirectory"] = config.directory;
  return out;
}

}  // namespace

std::string_view Architecture() {
#if defined(__aarch64__)
  return "arm64";
#else
  return "x86_64";
#endif
}

json::object ConfigurationJson(const functions::Function& function, const FunctionRef& ref) {
  const functions::FunctionSpec& spec = function.spec;
  json::object out{
      {"FunctionName", spec.name},
      {"FunctionArn", ref.QualifiedArn()},
      {"Runtime", spec.runtime},
      {"Role", spec.role},
      {"Handler", spec.handler},
      {"CodeSize", function.code_bytes},
      {"Description", spec.description},
      {"Timeout", spec.timeout.count()},
      {"MemorySize", spec.memory_mb},
      {"LastModified", FormatIso(function.last_modified)},
      {"CodeSha256", function.code_sha256},
      {"Version", function.version},
      {"TracingConfig", {{"Mode", "PassThrough"}}},
      {"RevisionId", function.revision_id},
      {"State", function.failure.empty() ? "Active" : "Failed"},
      {"LastUpdateStatus", "Successful"},
      {"PackageType", "Zip"},
      {"Architectures", json::array{Architecture()}},
      {"EphemeralStorage", {{"Size", spec.ephemeral_mb}}},
      {"SnapStart",
       {{"ApplyOn", spec.snap_start.value_or(false) ? "PublishedVersions" : "None"},
        {"OptimizationStatus", function.has_template ? "On" : "Off"}}},
      {"LoggingConfig", {{"LogFormat", "Text"}, {"LogGroup", "/aws/lambda/" + spec.name}}},
  };
  if (!spec.image.empty()) {
    out.erase("Runtime");
    out.erase("Handler");
    out["PackageType"] = "Image";
    if (spec.image_config != images::ImageConfig{})
      out["ImageConfigResponse"] =
          json::object{{"ImageConfig", ImageConfigJson(spec.image_config)}};
  }
  if (spec.engine == functions::kDocker) out["Engine"] = spec.engine;
  if (!function.failure.empty()) {
    out["StateReason"] = function.failure;
    out["StateReasonCode"] = "InternalError";
  }
  if (!spec.subnets.empty()) {
    out["VpcConfig"] =
        json::object{{"SubnetIds", json::array(spec.subnets.begin(), spec.subnets.end())},
                     {"SecurityGroupIds", json::array()},
                     {"VpcId", "godwit"},
                     {"Ipv6AllowedForDualStack", false}};
  }
  if (!spec.warm_up.empty()) out["GodwitWarmUp"] = spec.warm_up;
  if (!spec.environment.empty())
    out["Environment"] = json::object{{"Variables", MapJson(spec.environment)}};
  return out;
}

json::object FunctionJson(const functions::Function& function, const FunctionRef& ref,
                          std::string_view origin) {
  json::object out{
      {"Configuration", ConfigurationJson(function, ref)},
      {"Code",
       {{"RepositoryType", "S3"},
        {"Location", fmt::format("{}/godwit/v1/functions/{}/code", origin,
                                 PercentEncode(function.spec.name))}}},
  };
  if (!function.spec.image.empty()) {
    out["Code"] = json::object{{"RepositoryType", "ECR"},
                               {"ImageUri", function.spec.image},
                               {"ResolvedImageUri", "sha256:" + function.code_sha256}};
  }
  if (!function.spec.tags.empty()) out["Tags"] = MapJson(function.spec.tags);
  if (function.spec.max_instances > 0) out["Concurrency"] = ConcurrencyJson(function);
  return out;
}

json::object ConcurrencyJson(const functions::Function& function) {
  json::object out;
  if (function.spec.max_instances > 0)
    out["ReservedConcurrentExecutions"] = function.spec.max_instances;
  return out;
}

}  // namespace godwit::aws
