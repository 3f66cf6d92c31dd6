#include "cli/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/try.h"
#include "cli/help.h"
#include "cli/nearest.h"

namespace godwit::cli {
namespace {

using Kind = ConfigKey::Kind;

constexpr size_t kMaxFile = 1024 * 1024;  // bytes

std::string_view Wants(Kind kind) {
  switch (kind) {
    case Kind::kText:
      return "text in quotes";
    case Kind::kSpan:
      return "a length of time in quotes";
    case Kind::kCount:
      return "a whole number";
    case Kind::kSwitch:
      return "true or false";
  }
  return "another value";
}

// As it is written in TOML.
std::string Quoted(const ConfigKey& key, const std::string& text) {
  const bool quoted = key.kind == Kind::kText || key.kind == Kind::kSpan;
  return quoted ? fmt::format("\"{}\"", text) : text;
}

Result<std::string> TextOf(const ConfigKey& key, const toml::node& node) {
  if (key.kind == Kind::kCount) {
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
  } else if (key.kind == Kind::kSwitch) {
    if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  } else if (const auto* text = node.as_string()) {
    return text->get();
  }
  return Fail(Code::kInvalid, "it wants {} (write {} = {})", Wants(key.kind), key.name,
              Quoted(key, key.example));
}

Result<> SetFromToml(NodeConfig& config, std::string_view name, const toml::node& node) {
  const auto keys = ConfigKeys();
  const auto key = std::ranges::find(keys, name, &ConfigKey::name);
  if (key == keys.end()) {
    std::vector<std::string> known;
    for (const auto& k : keys) known.push_back(k.name);
    return Fail(Code::kInvalid, "unknown key '{}'{}", name,
                DidYouMean(name, known, " (`godwit node --help` lists the keys)"));
  }
  GODWIT_TRY(const std::string text, TextOf(*key, node).Within("key '{}'", name));
  return key->set(config, text).Within("key '{}'", name);
}

}  // namespace

Result<> ReadToml(NodeConfig& config, std::string_view text, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    const bool open_text = error.description().contains("control character");
    return Fail(Code::kInvalid, "'{}' line {}: {} ({})", path, error.source().begin.line,
                error.description(),
                open_text ? "is the quote at its end missing?"
                          : "a line is KEY = VALUE, with text in quotes");
  }
  struct Entry {
    std::string_view name;
    const toml::node* node;
    uint32_t line;
  };
  std::vector<Entry> entries;
  for (const auto& [name, node] : table) {
    entries.push_back({name.str(), &node, name.source().begin.line});
  }
  std::ranges::sort(entries, {}, &Entry::line);  // the first error in the file comes first
  for (const auto& [name, node, line] : entries) {
    GODWIT_TRY(SetFromToml(config, name, *node).Within("'{}' line {}", path, line));
  }
  return {};
}

Result<NodeConfig> ReadConfig(const Args& args) {
  NodeConfig config;
  if (const auto path = args.Find("--config")) {
    constexpr std::string_view kWayOut = "name a TOML file with --config, or leave it out";
    std::error_code unknown;
    if (std::filesystem::is_directory(*path, unknown))
      return Fail(Code::kInvalid, "'{}' is a folder ({})", *path, kWayOut);
    const Result<Fd> file = Open(*path, O_RDONLY);
    if (!file) return Fail(file.error().code(), "{} ({})", file.error().ToString(), kWayOut);
    GODWIT_TRY(const std::string text, ReadAll(file->get(), kMaxFile).Within("'{}'", *path));
    GODWIT_TRY(ReadToml(config, text, *path));
  }
  for (const auto& key : ConfigKeys()) {
    const std::string flag = FlagOf(key);
    if (const auto text = args.Find(flag)) {
      GODWIT_TRY(key.set(config, *text).Within("flag '{}'", flag));
    }
  }
  return config;
}

std::string ConfigReference() {
  std::string page =
      "# Configuration of a node\n\n"
      "<!-- Made from the table in src/cli/config_keys.cc; a test compares the two. -->\n\n"
      "`godwit node --config FILE` reads a TOML file. Each key also is a flag, with `-` for `_`, "
      "and\n"
      "a flag overrides the file. A key that is not in this list is an error. Lengths of time are\n"
      "written as `500ms`, `1s`, `10m`, `24h` or `7d`.\n\n"
      "A file with every key at its default:\n\n```toml\n";
  for (const auto& key : ConfigKeys()) {
    if (key.fallback.empty()) {
      page += fmt::format("# {} = {}\n", key.name, Quoted(key, key.example));
    } else {
      page += fmt::format("{} = {}\n", key.name, Quoted(key, key.fallback));
    }
  }
  page += "```\n";
  for (const auto& key : ConfigKeys()) {
    page += fmt::format("\n## {}\n\n{}\n\n", key.name, Wrap(key.meaning, 0));
    page += key.fallback.empty() ? "- Default: none\n"
                                 : fmt::format("- Default: `{}`\n", Quoted(key, key.fallback));
    page += fmt::format("- Example: `{} = {}`\n", key.name, Quoted(key, key.example));
    const bool is_switch = key.kind == Kind::kSwitch;
    page += fmt::format("- Flag: `{}{}`\n", FlagOf(key), is_switch ? "" : " " + key.example);
  }
  return page;
}

}  // namespace godwit::cli
