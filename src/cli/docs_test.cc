// The pages under docs/ are what the descriptions say. After a change to a verb or a key, write
// them anew with GODWIT_WRITE_DOCS=1 godwit_cli_test --gtest_filter='DocsTest.*'
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cli/config.h"
#include "cli/man_page.h"
#include "cli/node_verb.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

void ExpectPage(const std::string& name, const std::string& text) {
  const std::string path = GODWIT_SOURCE_DIR "/docs/" + name;
  if (std::getenv("GODWIT_WRITE_DOCS") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text) << path;
}

TEST(DocsTest, TheManPageIsTheVerbs) {
  ExpectPage("man/godwit.1.scd", ManPage(Verbs(NodeVerb({}), {})));
}

TEST(DocsTest, TheConfigurationPageIsTheTable) {
  ExpectPage("configuration.md", ConfigReference());
}

TEST(DocsTest, TheExampleFileOnThatPageIsRead) {
  const std::string page = ConfigReference();
  const size_t begin = page.find("```toml\n") + 8;
  NodeConfig config;
  const auto read = ReadToml(config, page.substr(begin, page.find("```", begin) - begin), "page");
  ASSERT_TRUE(read.has_value()) << read.error().ToString();
  EXPECT_EQ(config, NodeConfig());
}

}  // namespace
}  // namespace godwit::cli
