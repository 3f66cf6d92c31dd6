#pragma once

// The configuration of a node: one table of keys, from which all else is made.
//
// A key has a name, a kind, a default, an example and a meaning. From the table come the TOML
// reader (an unknown key is an error that names file, line and the nearest known key), the flags of
// `godwit node`, its help, and docs/configuration.md. To add a key, add a row in config.cc and a
// member here. Threads: values. Failure: kInvalid for what is wrong in a file or a flag, naming
// both; kNotFound and kDenied for a file.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/verb.h"

namespace godwit::cli {

struct NodeConfig {
  std::string data = "/var/lib/godwit";
  std::string listen = "127.0.0.1:9000";  // as http/address.h reads it
  LogLevel log_level = LogLevel::kInfo;
  Nanos blocked_after = std::chrono::seconds(1);
  Nanos freeze_after = std::chrono::seconds(1);
  Nanos idle_after = std::chrono::seconds(10);
  bool keep_awake = false;
  bool durable_suspend = false;
  uint64_t memory_budget = 0;  // bytes; 0: no limit
  int64_t max_instances = 1000;
  int64_t max_queue = 1000;
  int64_t kept_walls = 32;
  int64_t max_connections = 1024;
  Nanos result_keep = std::chrono::hours(24);
  std::string region = "us-east-1";
  std::string account = "000000000000";
  std::string network_range = "10.249.0.0/16";
  std::string criu;  // empty: looked for
  bool prebake = true;
  int64_t template_cache_mb = 64;
  std::string engine = "native";
  std::string docker_socket = "/var/run/docker.sock";
  std::string coordinator;  // empty: the site's own
  std::string site_listen;  // empty: the site's address
  bool operator==(const NodeConfig&) const = default;
};

struct ConfigKey {
  enum class Kind { kText, kSpan, kCount, kSwitch };

  std::string name;  // "blocked_after"; the flag is --blocked-after
  Kind kind = Kind::kText;
  std::string value;     // "DURATION", as help shows it
  std::string fallback;  // the default, as one would write it; empty: see the meaning
  std::string example;
  std::string meaning;
  Result<> (*set)(NodeConfig&, const std::string& text) = nullptr;
};

std::span<const ConfigKey> ConfigKeys();
std::string FlagOf(const ConfigKey& key);

// Sets in `config` what a TOML file says; `path` is for the errors.
Result<> ReadToml(NodeConfig& config, std::string_view text, const std::string& path);
// The defaults, then --config FILE, then the other flags.
Result<NodeConfig> ReadConfig(const Args& args);

// docs/configuration.md.
std::string ConfigReference();

}  // namespace godwit::cli
