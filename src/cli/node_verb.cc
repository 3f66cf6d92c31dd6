#include "cli/node_verb.h"

#include <fmt/core.h>

#include "base/try.h"

namespace godwit::cli {
namespace {

std::vector<Flag> NodeFlags() {
  std::vector<Flag> flags = {
      {"--config", "FILE", "read keys from this TOML file; flags override it"}};
  for (const auto& key : ConfigKeys()) {
    std::string meaning = key.meaning;
    if (!key.fallback.empty()) meaning += fmt::format(" Default: {}.", key.fallback);
    flags.push_back({FlagOf(key), key.value, std::move(meaning), false,
                     key.name == "log_level" ? "debug info warning error off" : ""});
  }
  return flags;
}

// An error about the store that does not say what to do.
Error WithWayOut(const Error& error, const NodeConfig& config) {
  const std::string text = error.ToString();
  if (text.ends_with(')') || !text.contains("'" + config.data)) return error;
  const bool full = error.code() == Code::kNoSpace;
  return {error.code(),
          fmt::format("{} ({})", text,
                      full ? "free some space there, or keep the store elsewhere with --data"
                           : "name a folder for the store with --data")};
}

}  // namespace

Verb NodeVerb(NodeRun run) {
  return {.name = "node",
          .doing = "run a node",
          .brief = "Run a node: the daemon that keeps and runs functions",
          .details =
              "Needs root, for namespaces, control groups and CRIU. Runs in the foreground until "
              "SIGTERM or SIGINT; what is put away then stays on disk and comes back with the "
              "next start. In a TOML file each flag is a key, with _ for -.",
          .example =
              "sudo godwit node --data /srv/godwit --listen 127.0.0.1:9000 --blocked-after 500ms",
          .flags = NodeFlags(),
          .calls_node = false,
          .run = [run = std::move(run)](const Args& args, Shell& shell) -> Result<> {
            GODWIT_TRY(const NodeConfig config, ReadConfig(args));
            const Result<> done = run(config, shell.out);
            if (done) return done;
            return std::unexpected(WithWayOut(done.error(), config));
          }};
}

}  // namespace godwit::cli
