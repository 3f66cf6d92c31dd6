#include "aws/lambda_decode.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "aws/json_fields.h"
#include "aws/lambda_environment.h"
#include "aws/lambda_json.h"
#include "aws/lambda_violations.h"
#include "base/bytes.h"
#include "base/try.h"
#include "functions/json_check.h"

namespace godwit::aws {
namespace {

using functions::FunctionPatch;
using functions::FunctionSpec;

constexpr int kMaxConcurrency = 10000;
constexpr size_t kMaxTags = 50;
constexpr size_t kMaxSubnets = 16;
constexpr size_t kMaxWarmUp = 16 << 10;  // bytes; it travels in the environment
constexpr size_t kMaxImageUri = 1000;    // characters

bool HasNoSpace(std::string_view text) { return text.find_first_of(" \t\r\n\v\f") == text.npos; }

// What Godwit would have to do, and does not.
LambdaResult<> CheckUnsupported(const Fields& fields) {
  constexpr std::pair<std::string_view, std::string_view> kUnsupported[] = {
      {"Layers", "layers (put what they hold into the zip)"},
      {"FileSystemConfigs", "file system mounts (use /tmp)"},
      {"DurableConfig", "durable executions (write plain blocking code: a call may wait for days)"},
      {"TenancyConfig", "tenants (deploy a function for each)"},
      {"CapacityProviderConfig", "capacity providers (leave it out)"},
  };
  for (const auto& [field, what] : kUnsupported) {
    if (fields.Means(field))
      return Refuse(LambdaCode::kInvalidParameterValue, "Godwit does not serve {}.", what);
  }
  GODWIT_TRY(const auto dead_letters, fields.Object("DeadLetterConfig"));
  if (dead_letters && dead_letters->Means("TargetArn")) {
    return Refuse(
        LambdaCode::kInvalidParameterValue,
        "Godwit does not serve dead letter queues (results of Event calls are kept for a day).");
  }
  return {};
}

LambdaResult<> CheckPublish(const Fields& fields) {
  if (!fields.Means("Publish")) return {};
  return Refuse(
      LambdaCode::kInvalidParameterValue,
      "Godwit does not serve published versions, there is only $LATEST (leave Publish out).");
}

LambdaResult<> CheckArchitecture(const Fields& fields) {
  GODWIT_TRY(const auto given, fields.Texts("Architectures"));
  if (!given || given->empty() || (given->size() == 1 && given->front() == Architecture()))
    return {};
  return Refuse(LambdaCode::kInvalidParameterValue,
                "The architecture '{}' does not run on this node (it is {}).", given->front(),
                Architecture());
}

LambdaResult<std::string> DecodeZip(const Fields& code) {
  if (code.Means("S3Bucket") || code.Means("S3Key")) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Godwit does not take code from a bucket (send the zip itself as ZipFile).");
  }
  GODWIT_TRY(const auto encoded, code.Text("ZipFile"));
  if (!encoded || encoded->empty()) {
    return Refuse(LambdaCode::kInvalidParameterValue, "Please provide a source for function code.");
  }
  auto zip = FromBase64(*encoded);
  if (!zip) return Refuse(LambdaCode::kSerialization, "cannot read 'ZipFile': it is not base64");
  if (zip->size() > functions::kMaxCode) {
    return Refuse(LambdaCode::kInvalidParameterValue, "Zipped size must be smaller than {} bytes",
                  functions::kMaxCode);
  }
  return *std::move(zip);
}

LambdaResult<std::string> DecodeImage(const Fields& code) {
  if (code.Means("ZipFile") || code.Means("S3Bucket")) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Please do not provide ZipFile or S3Bucket together with ImageUri.");
  }
  GODWIT_TRY(auto image, code.Text("ImageUri"));
  if (!image || image->empty() || image->size() > kMaxImageUri || !HasNoSpace(*image)) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Please provide a valid ImageUri: the sha256:... of an image that was sent to "
                  "this node, or its name at the Docker Engine.");
  }
  return *std::move(image);
}

LambdaResult<std::optional<images::ImageConfig>> DecodeImageConfig(const Fields& fields) {
  GODWIT_TRY(const auto given, fields.Object("ImageConfig"));
  if (!given) return std::nullopt;
  images::ImageConfig config;
  GODWIT_TRY(auto entrypoint, given->Texts("EntryPoint"));
  GODWIT_TRY(auto command, given->Texts("Command"));
  GODWIT_TRY(auto directory, given->Text("WorkingDirectory"));
  const auto too_long = [](const auto& texts) {
    return texts && texts->size() > images::kMaxWords;
  };
  if (too_long(entrypoint) || too_long(command) || (directory && directory->size() > 1000)) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "EntryPoint and Command have at most {} words, WorkingDirectory 1000 letters.",
                  images::kMaxWords);
  }
  config.entrypoint = std::move(entrypoint).value_or(std::vector<std::string>());
  config.command = std::move(command).value_or(std::vector<std::string>());
  config.directory = std::move(directory).value_or("");
  return config;
}

LambdaResult<std::optional<std::map<std::string, std::string>>> DecodeEnvironment(
    const Fields& fields) {
  GODWIT_TRY(const auto environment, fields.Object("Environment"));
  if (!environment) return std::nullopt;
  GODWIT_TRY(auto variables, environment->TextMap("Variables"));
  if (!variables) variables.emplace();
  GODWIT_TRY(CheckEnvironment(*variables));
  return variables;
}

// Godwit's own: an event for the function's template to run once.
LambdaResult<> CheckWarmUp(const std::string& event) {
  if (event.size() > kMaxWarmUp || event.contains('\0') || !functions::CheckJson(event)) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "GodwitWarmUp is no JSON text of at most {} bytes.", kMaxWarmUp);
  }
  return {};
}

// The settings that create and update have in common.
LambdaResult<FunctionPatch> DecodeSettings(const Fields& fields, Violations& violations) {
  GODWIT_TRY(CheckUnsupported(fields));
  FunctionPatch patch;
  GODWIT_TRY(patch.runtime, fields.Text("Runtime"));
  GODWIT_TRY(patch.handler, fields.Text("Handler"));
  GODWIT_TRY(patch.role, fields.Text("Role"));
  GODWIT_TRY(patch.description, fields.Text("Description"));
  GODWIT_TRY(const auto timeout, fields.Number("Timeout"));
  GODWIT_TRY(const auto memory, fields.Number("MemorySize"));
  GODWIT_TRY(const auto storage, fields.Object("EphemeralStorage"));
  if (patch.handler) {
    violations.Length("handler", *patch.handler, 128);
    violations.Pattern("handler", *patch.handler, HasNoSpace(*patch.handler), R"([^\s]+)");
  }
  if (patch.description) violations.Length("description", *patch.description, 256);
  if (timeout) {
    violations.Range("timeout", *timeout, 1, 900);
    patch.timeout = std::chrono::seconds(*timeout);
  }
  if (memory) {
    violations.Range("memorySize", *memory, 128, 10240);
    patch.memory_mb = static_cast<int>(*memory);
  }
  if (storage) {
    GODWIT_TRY(const auto size, storage->Number("Size"));
    if (!size) violations.Missing("ephemeralStorage.size");
    if (size) violations.Range("ephemeralStorage.size", *size, 512, 10240);
    if (size) patch.ephemeral_mb = static_cast<int>(*size);
  }
  GODWIT_TRY(const auto vpc, fields.Object("VpcConfig"));
  if (vpc) {
    GODWIT_TRY(patch.subnets, vpc->Texts("SubnetIds"));
    if (patch.subnets && patch.subnets->size() > kMaxSubnets) {
      return Refuse(LambdaCode::kInvalidParameterValue, "A function has at most {} subnets.",
                    kMaxSubnets);
    }
  }
  GODWIT_TRY(const auto snap_start, fields.Object("SnapStart"));
  if (snap_start) {
    GODWIT_TRY(const auto apply_on, snap_start->Text("ApplyOn"));
    if (apply_on) {
      patch.snap_start = *apply_on == "PublishedVersions";
      violations.Choice("snapStart.applyOn", *apply_on, *patch.snap_start || *apply_on == "None",
                        "PublishedVersions, None");
    }
  }
  GODWIT_TRY(patch.warm_up, fields.Text("GodwitWarmUp"));
  if (patch.warm_up && !patch.warm_up->empty()) GODWIT_TRY(CheckWarmUp(*patch.warm_up));
  GODWIT_TRY(patch.environment, DecodeEnvironment(fields));
  GODWIT_TRY(patch.image_config, DecodeImageConfig(fields));
  return patch;
}

FunctionSpec SpecFrom(FunctionPatch patch) {
  FunctionSpec spec;
  spec.runtime = std::move(patch.runtime).value_or("");
  spec.handler = std::move(patch.handler).value_or("");
  spec.role = std::move(patch.role).value_or("");
  spec.description = std::move(patch.description).value_or("");
  spec.timeout = patch.timeout.value_or(spec.timeout);
  spec.memory_mb = patch.memory_mb.value_or(spec.memory_mb);
  spec.ephemeral_mb = patch.ephemeral_mb.value_or(spec.ephemeral_mb);
  if (patch.subnets) spec.subnets = *std::move(patch.subnets);
  spec.snap_start = patch.snap_start;
  spec.warm_up = std::move(patch.warm_up).value_or("");
  if (patch.image_config) spec.image_config = *std::move(patch.image_config);
  if (patch.environment) spec.environment = *std::move(patch.environment);
  return spec;
}

}  // namespace

LambdaResult<CreateRequest> DecodeCreate(std::string_view body) {
  GODWIT_TRY(const Fields fields, Fields::Parse(body));
  Violations violations;
  CreateRequest request;
  GODWIT_TRY(auto name, fields.Text("FunctionName"));
  GODWIT_TRY(const auto package, fields.Text("PackageType"));
  GODWIT_TRY(const auto code, fields.Object("Code"));
  GODWIT_TRY(auto settings, DecodeSettings(fields, violations));
  if (!name) violations.Missing("functionName");
  if (!code) violations.Missing("code");
  if (!settings.role) violations.Missing("role");
  if (package)
    violations.Choice("packageType", *package, *package == "Zip" || *package == "Image",
                      "Zip, Image");
  GODWIT_TRY(violations.Check());
  const bool is_image = package == "Image";
  if (is_image && (settings.runtime || settings.handler)) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Please don't provide Handler or Runtime or Layer when the intended function "
                  "PackageType is Image");
  }
  GODWIT_TRY(CheckPublish(fields));
  GODWIT_TRY(CheckArchitecture(fields));
  const bool needs_handler = !settings.runtime.value_or("").starts_with("provided");
  if (!is_image && (settings.runtime.value_or("").empty() ||
                    (needs_handler && settings.handler.value_or("").empty()))) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Runtime and Handler are mandatory parameters for functions created with "
                  "deployment packages.");
  }
  request.function_name = *std::move(name);
  request.spec = SpecFrom(std::move(settings));
  GODWIT_TRY(auto tags, fields.TextMap("Tags"));
  if (tags) request.spec.tags = *std::move(tags);
  if (request.spec.tags.size() > kMaxTags) {
    return Refuse(LambdaCode::kInvalidParameterValue, "A function has at most {} tags.", kMaxTags);
  }
  // Lambda has no word for it.
  GODWIT_TRY(auto engine, fields.Text("Engine"));
  request.spec.engine = std::move(engine).value_or("");
  if (is_image) {
    GODWIT_TRY(request.spec.image, DecodeImage(*code));
  } else {
    GODWIT_TRY(request.zip, DecodeZip(*code));
  }
  return request;
}

LambdaResult<functions::Deployment> DecodeUpdateCode(std::string_view body) {
  GODWIT_TRY(const Fields fields, Fields::Parse(body));
  functions::Deployment deployment;
  GODWIT_TRY(CheckPublish(fields));
  GODWIT_TRY(CheckArchitecture(fields));
  GODWIT_TRY(deployment.revision_id, fields.Text("RevisionId"));
  GODWIT_TRY(const auto dry_run, fields.Flag("DryRun"));
  deployment.dry_run = dry_run.value_or(false);
  if (fields.Means("ImageUri")) {
    GODWIT_TRY(deployment.image, DecodeImage(fields));
  } else {
    GODWIT_TRY(deployment.zip, DecodeZip(fields));
  }
  return deployment;
}

LambdaResult<FunctionPatch> DecodeUpdateConfiguration(std::string_view body) {
  GODWIT_TRY(const Fields fields, Fields::Parse(body));
  Violations violations;
  GODWIT_TRY(auto patch, DecodeSettings(fields, violations));
  GODWIT_TRY(violations.Check());
  GODWIT_TRY(patch.revision_id, fields.Text("RevisionId"));
  return patch;
}

LambdaResult<int> DecodeConcurrency(std::string_view body) {
  GODWIT_TRY(const Fields fields, Fields::Parse(body));
  Violations violations;
  GODWIT_TRY(const auto number, fields.Number("ReservedConcurrentExecutions"));
  if (!number) violations.Missing("reservedConcurrentExecutions");
  if (number) violations.Range("reservedConcurrentExecutions", *number, 0, kMaxConcurrency);
  GODWIT_TRY(violations.Check());
  if (*number == 0) {
    return Refuse(LambdaCode::kInvalidParameterValue,
                  "Godwit does not serve a reserved concurrency of 0 (delete the function to stop "
                  "its calls).");
  }
  return static_cast<int>(*number);
}

}  // namespace godwit::aws
