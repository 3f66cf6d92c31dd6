#include "docker/container_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace godwit::docker {

namespace json = boost::json;

std::string ContainerJson(const ContainerPlan& plan) {
  const auto texts = [](const std::vector<std::string>& list) {
    return json::array(list.begin(), list.end());
  };
  json::array binds = {fmt::format("{}/run:{}:ro", plan.home, kRunPath),
                       fmt::format("{}:{}:ro", plan.starter, kStarterPath)};
  for (const auto& bind : plan.binds) binds.emplace_back(bind);
  const auto memory = static_cast<int64_t>(plan.limits.memory_bytes);
  const std::string user = fmt::format("{}:{}", plan.program.uid, plan.program.uid);
  const json::object host = {
      {"Binds", std::move(binds)},
      {"NetworkMode", plan.network ? "bridge" : "none"},
      {"Memory", memory},
      {"MemorySwap", memory},  // of both together: no swap
      {"NanoCpus", static_cast<int64_t>(plan.limits.cpus * 1e9)},
      {"PidsLimit", static_cast<int64_t>(plan.limits.pids)},
      {"ReadonlyRootfs", true},
      {"Tmpfs",
       {{"/tmp", fmt::format("rw,nosuid,nodev,exec,size={}m,mode=1777", plan.ephemeral_mb)}}},
      {"CapDrop", json::array{"ALL"}},
      {"SecurityOpt", json::array{"no-new-privileges"}},
      {"RestartPolicy", {{"Name", "no"}}},
      {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "4m"}, {"max-file", "2"}}}}},
      {"Ulimits", json::array{json::object{{"Name", "nofile"},
                                           {"Soft", plan.program.max_files},
                                           {"Hard", plan.program.max_files}}}}};
  const json::object settings = {
      {"Image", plan.image},
      {"Entrypoint", json::array{kStarterPath, "await", fmt::format("{}/start", kRunPath)}},
      {"Cmd", texts(plan.program.argv)},
      {"Env", texts(plan.program.environment)},
      {"WorkingDir", plan.program.directory},
      {"User", user},
      {"Hostname", plan.name},
      {"Labels", {{kStoreLabel, plan.store}, {"godwit.function", plan.function}}},
      {"Tty", false},
      {"HostConfig", host}};
  return json::serialize(settings);
}

}  // namespace godwit::docker
