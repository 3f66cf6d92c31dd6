#include "functions/environment.h"

#include <algorithm>

#include "base/try.h"

namespace godwit::functions {
namespace {

constexpr size_t kMaxEnvironment = 4096;  // bytes of names and values, Lambda
constexpr double kMemoryPerCpu = 1769.0;  // MB that buy one processor, Lambda

// Variables that are the platform's to set (Lambda refuses them too).
constexpr std::string_view kReserved[] = {"_HANDLER",
                                          "_X_AMZN_TRACE_ID",
                                          "AWS_DEFAULT_REGION",
                                          "AWS_REGION",
                                          "AWS_EXECUTION_ENV",
                                          "AWS_LAMBDA_FUNCTION_NAME",
                                          "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                          "AWS_LAMBDA_FUNCTION_VERSION",
                                          "AWS_LAMBDA_RUNTIME_API",
                                          "LAMBDA_TASK_ROOT",
                                          "LAMBDA_RUNTIME_DIR"};

bool IsName(const std::string& name) {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return name.size() >= 2 && std::ranges::all_of(name, is_part) &&
         !(name[0] >= '0' && name[0] <= '9') && name[0] != '_';
}

Result<> CheckEnvironment(const FunctionSpec& spec) {
  size_t bytes = 0;
  for (const auto& [name, value] : spec.environment) {
    bytes += name.size() + value.size();
    if (std::ranges::find(kReserved, name) != std::end(kReserved)) {
      return Fail(Code::kInvalid,
                  "Lambda was unable to configure your environment variables because the "
                  "environment variables you have"
                  " provided contains reserved keys that are currently not supported for "
                  "modification. Reserved keys used"
                  " in this request: {}",
                  name);
    }
    if (!IsName(name) || value.contains('\0')) {
      return Fail(Code::kInvalid,
                  "the environment variable '{}' has a name or value that is not allowed", name);
    }
  }
  if (bytes > kMaxEnvironment) {
    return Fail(Code::kInvalid,
                "Lambda was unable to configure your environment variables because the environment "
                "variables you have"
                " provided exceeded the 4KB limit. String measured: {} bytes",
                bytes);
  }
  return {};
}

// The image's own program, as its owner may have changed it.
void StartImage(const Function& function, sandbox::Program& program) {
  const images::ImageConfig& own = function.image_start;
  const images::ImageConfig& set = function.spec.image_config;
  program.argv = set.entrypoint.empty() ? own.entrypoint : set.entrypoint;
  // Another entry point has no use for the arguments of the image's.
  const auto& arguments = set.command.empty() && set.entrypoint.empty() ? own.command : set.command;
  program.argv.insert(program.argv.end(), arguments.begin(), arguments.end());
  program.directory = set.directory.empty() ? own.directory : set.directory;
  if (program.directory.empty()) program.directory = "/";
}

// The last word about a variable counts, and stands where the first was.
void SetVariable(std::vector<std::string>& environment, std::string_view name,
                 std::string_view value) {
  std::string variable = fmt::format("{}={}", name, value);
  const auto found = std::ranges::find_if(environment, [&](const std::string& one) {
    return one.starts_with(variable.substr(0, name.size() + 1));
  });
  if (found == environment.end()) {
    environment.push_back(std::move(variable));
  } else {
    *found = std::move(variable);
  }
}

}  // namespace

Result<RuntimeKind> RuntimeOf(const std::string& identifier) {
  if (identifier == "python3" || identifier.starts_with("python3.")) return RuntimeKind::kPython;
  if (identifier == "nodejs" || (identifier.starts_with("nodejs") && identifier.ends_with(".x")))
    return RuntimeKind::kNode;
  if (identifier == "provided" || identifier.starts_with("provided.al"))
    return RuntimeKind::kProvided;
  return Fail(
      Code::kInvalid,
      "the runtime '{}' is not here (use python3 or python3.N, nodejs or nodejsN.x, or provided)",
      identifier);
}

std::string RuntimeDirectory(RuntimeKind kind) {
  switch (kind) {
    case RuntimeKind::kPython:
      return "python3";
    case RuntimeKind::kNode:
      return "nodejs";
    case RuntimeKind::kProvided:
      break;
  }
  return "";
}

Result<> CheckSpec(const FunctionSpec& spec) {
  if (!spec.engine.empty() && spec.engine != kNative && spec.engine != kDocker) {
    return Fail(Code::kInvalid, "there is no engine '{}' (use native or docker)", spec.engine);
  }
  if (!spec.image.empty()) {
    GODWIT_TRY(images::CheckStart(spec.image_config).Within("the ImageConfig"));
    return CheckEnvironment(spec);
  }
  GODWIT_TRY(const RuntimeKind kind, RuntimeOf(spec.runtime));
  if (kind != RuntimeKind::kProvided && !spec.handler.contains('.')) {
    return Fail(Code::kInvalid,
                "the handler '{}' of function '{}' names no module and function (write it as "
                "module.function)",
                spec.handler, spec.name);
  }
  return CheckEnvironment(spec);
}

sandbox::Program ProgramOf(const Function& function, const InstanceId& instance, uint32_t uid,
                           const Settings& settings, bool bakes) {
  const FunctionSpec& spec = function.spec;
  sandbox::Program program;
  program.directory = "/var/task";
  program.uid = uid;
  const auto set = [&](std::string_view name, std::string_view value) {
    SetVariable(program.environment, name, value);
  };
  const bool is_image = !spec.image.empty();
  if (is_image) StartImage(function, program);
  switch (is_image ? RuntimeKind::kProvided : *RuntimeOf(spec.runtime)) {
    case RuntimeKind::kPython:
      program.argv = {"/usr/bin/python3", "-u", "/var/runtime/bootstrap.py"};
      set("PYTHONPATH", "/var/runtime");
      break;
    case RuntimeKind::kNode:
      program.argv = {"/usr/bin/node", "/var/runtime/bootstrap.js"};
      set("UV_USE_IO_URING", "0");
      set("NODE_PATH", "/opt/nodejs/node_modules:/var/runtime/node_modules:/var/task");
      break;
    case RuntimeKind::kProvided:
      if (!is_image) program.argv = {"/var/task/bootstrap"};
      set("GODEBUG", "multipathtcp=0");
      break;
  }
  set("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin");
  set("LANG", "C.UTF-8");
  set("TZ", ":UTC");
  set("HOME", "/tmp");
  // An image knows better where its programs and libraries are.
  for (const std::string& variable : function.image_start.environment) {
    const size_t equals = variable.find('=');
    set(variable.substr(0, equals), variable.substr(equals + 1));
  }
  set("_HANDLER", is_image && program.argv.size() > 1 ? program.argv.back() : spec.handler);
  set("LAMBDA_TASK_ROOT", "/var/task");
  set("LAMBDA_RUNTIME_DIR", "/var/runtime");
  set("AWS_LAMBDA_RUNTIME_API", fmt::format("127.0.0.1:{}", sandbox::kRuntimeApiPort));
  set("AWS_LAMBDA_FUNCTION_NAME", spec.name);
  set("AWS_LAMBDA_FUNCTION_VERSION", function.version);
  set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", fmt::format("{}", spec.memory_mb));
  set("AWS_LAMBDA_LOG_GROUP_NAME", fmt::format("/aws/lambda/{}", spec.name));
  set("AWS_LAMBDA_LOG_STREAM_NAME", instance.text);
  set("AWS_LAMBDA_INITIALIZATION_TYPE", bakes ? "snap-start" : "on-demand");
  if (bakes && !spec.warm_up.empty()) set("GODWIT_WARM_UP", spec.warm_up);
  if (!is_image) set("AWS_EXECUTION_ENV", fmt::format("AWS_Lambda_{}", spec.runtime));
  set("AWS_REGION", settings.region);
  set("AWS_DEFAULT_REGION", settings.region);
  for (const auto& [name, value] : spec.environment) set(name, value);
  return program;
}

sandbox::Places PlacesOf(const Function& function, const Directories& directories) {
  sandbox::Places places;
  places.base = directories.base;
  if (!function.spec.image.empty()) {
    places.image = directories.images + "/" + function.code_id;
    return places;
  }
  places.code = directories.code + "/" + function.code_id;
  const std::string runtime = RuntimeDirectory(*RuntimeOf(function.spec.runtime));
  if (!runtime.empty()) places.runtime = directories.runtimes + "/" + runtime;
  return places;
}

sandbox::CgroupLimits LimitsOf(const FunctionSpec& spec) {
  sandbox::CgroupLimits limits;
  limits.memory_bytes = static_cast<uint64_t>(spec.memory_mb) << 20;
  // A share of a processor grows with memory, as in Lambda, but a small function is not starved:
  // these are small machines.
  limits.cpus = std::max(1.0, spec.memory_mb / kMemoryPerCpu);
  return limits;
}

}  // namespace godwit::functions
