#include "cli/config.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace godwit::cli {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

std::string ErrorIn(const std::string& text) {
  NodeConfig config;
  const auto read = ReadToml(config, text, "/etc/godwit.toml");
  if (read) return "no error";
  EXPECT_EQ(read.error().code(), Code::kInvalid);
  return read.error().ToString();
}

TEST(ConfigTest, TheTableTellsTheTrueDefaults) {
  NodeConfig config;
  for (const auto& key : ConfigKeys()) {
    if (key.fallback.empty()) continue;
    EXPECT_TRUE(key.set(config, key.fallback).has_value()) << key.name;
    EXPECT_EQ(config, NodeConfig()) << key.name;
  }
}

TEST(ConfigTest, EveryKeyHasAnExampleThatChangesSomething) {
  for (const auto& key : ConfigKeys()) {
    NodeConfig config;
    EXPECT_TRUE(key.set(config, key.example).has_value()) << key.name;
    EXPECT_NE(config, NodeConfig()) << key.name;
    EXPECT_GE(key.meaning.size(), 20u) << key.name;
    EXPECT_EQ(key.value.empty(), key.kind == ConfigKey::Kind::kSwitch) << key.name;
  }
}

TEST(ConfigTest, ReadsAFile) {
  NodeConfig config;
  const auto read = ReadToml(config,
                             "# a comment\n"
                             "data = \"/srv/godwit\"\n"
                             "listen = \"[::1]:8080\"\n"
                             "blocked_after = \"500ms\"\n"
                             "keep_awake = true\n"
                             "max_instances = 20\n",
                             "t");
  ASSERT_TRUE(read.has_value()) << read.error().ToString();
  EXPECT_EQ(config.data, "/srv/godwit");
  EXPECT_EQ(config.listen, "[::1]:8080");
  EXPECT_EQ(config.blocked_after, 500ms);
  EXPECT_TRUE(config.keep_awake);
  EXPECT_EQ(config.max_instances, 20);
  EXPECT_EQ(config.idle_after, 10s) << "what is not said stays";
}

TEST(ConfigTest, ErrorsNameFileLineAndTheWayOut) {
  EXPECT_EQ(
      ErrorIn("data = \"/a\"\n\nblocked_affter = \"1s\"\n"),
      "'/etc/godwit.toml' line 3: unknown key 'blocked_affter' (did you mean 'blocked_after'?)");
  EXPECT_EQ(ErrorIn("[node]\ndata = \"/a\"\n"),
            "'/etc/godwit.toml' line 1: unknown key 'node' (`godwit node --help` lists the keys)");
  EXPECT_EQ(
      ErrorIn("idle_after = 10\n"),
      "'/etc/godwit.toml' line 1: key 'idle_after': it wants a length of time in quotes (write "
      "idle_after = \"5m\")");
  EXPECT_EQ(ErrorIn("\nmax_instances = 0\n"),
            "'/etc/godwit.toml' line 2: key 'max_instances': '0' is not a whole number from 1 to "
            "1000000");
  EXPECT_THAT(ErrorIn("data = \n"), HasSubstr("'/etc/godwit.toml' line 1: "));
  EXPECT_THAT(ErrorIn("data = \"/a\"\ndata = \"/b\"\n"), HasSubstr("line 2: "));
  EXPECT_THAT(ErrorIn("data = \"relative\"\n"), HasSubstr("'relative' is not a whole path"));
  EXPECT_THAT(ErrorIn("log_level = \"loud\"\n"), HasSubstr("'loud' is not a level"));
  EXPECT_THAT(ErrorIn("listen = \"9000\"\n"), HasSubstr("'9000' is no address"));
  EXPECT_THAT(ErrorIn("account = \"12\"\n"), HasSubstr("'12' is not an account"));
  EXPECT_THAT(ErrorIn("region = \"Mars 1\"\n"), HasSubstr("'Mars 1' is not a region"));
}

TEST(ConfigTest, FlagsOverrideTheFile) {
  std::string path = std::filesystem::temp_directory_path() / "godwit-config-XXXXXX";
  ASSERT_GE(::mkstemp(path.data()), 0);
  std::ofstream(path) << "idle_after = \"1m\"\nmax_queue = 5\nkeep_awake = true\n";
  Args args;
  args.Set("--config", {path});
  args.Set("--idle-after", {"2m"});
  args.Set("--keep-awake", {"false"});
  const auto config = ReadConfig(args);
  std::filesystem::remove(path);
  ASSERT_TRUE(config.has_value()) << config.error().ToString();
  EXPECT_EQ(config->idle_after, 2min);
  EXPECT_EQ(config->max_queue, 5);
  EXPECT_FALSE(config->keep_awake);
}

TEST(ConfigTest, ErrorsInFlagsAndFiles) {
  Args args;
  args.Set("--idle-after", {"soon"});
  EXPECT_EQ(
      ReadConfig(args).error().ToString(),
      "flag '--idle-after': 'soon' is not a length of time (write 500ms, 1s, 10m, 24h or 7d)");
  args.Set("--config", {"/nonexistent/godwit.toml"});
  EXPECT_EQ(ReadConfig(args).error().code(), Code::kNotFound);
  args.Set("--config", {"/"});
  EXPECT_FALSE(ReadConfig(args).has_value()) << "a folder is no file";
}

}  // namespace
}  // namespace godwit::cli
