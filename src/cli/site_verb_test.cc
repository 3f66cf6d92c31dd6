#include "cli/site_verb.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "cli/human.h"
#include "cli/test_shell.h"

namespace godwit::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kToken = "godwit1-00ff";

// The work as a store would do it, and what it was asked for.
struct SiteVerbTest : ::testing::Test {
  SiteVerbTest() {
    shell.site = {.init = [this](const SiteWork::Newcomer& node,
                                 const std::string& coordinator) -> Result<boost::json::object> {
                    asked = {node.data, node.name, node.address, coordinator};
                    if (refused) return std::unexpected(*refused);
                    return boost::json::object{
                        {"site", "5f0c"}, {"node", node.name}, {"address", node.address}};
                  },
                  .join = [this](const SiteWork::Newcomer& node, const std::string& token,
                                 const std::string& host) -> Result<boost::json::object> {
                    asked = {node.data, node.name, node.address, token, host};
                    if (refused) return std::unexpected(*refused);
                    return boost::json::object{
                        {"site", "5f0c"}, {"node", node.name}, {"address", node.address}};
                  }};
  }
  TestShell shell;
  std::vector<std::string> asked;
  std::optional<Error> refused;
};

TEST_F(SiteVerbTest, InitAndJoinWorkOnAStore) {
  const auto made = shell.Type({"site", "init", "--name", "a", "--address", "h:1"});
  EXPECT_EQ(made.out, "a  has made site 5f0c  at h:1\n");
  EXPECT_THAT(asked, ElementsAre("/var/lib/godwit", "a", "h:1", "sqlite"));
  const auto joined = shell.Type({"site", "join", std::string(kToken), "h:1", "--name", "b",
                                  "--address", "i:1", "--data", "/srv/b", "--json"});
  EXPECT_EQ(joined.out, R"({"site":"5f0c","node":"b","address":"i:1"})"
                        "\n");
  EXPECT_THAT(asked, ElementsAre("/srv/b", "b", "i:1", kToken, "h:1"));
  EXPECT_EQ(shell.Type({"site", "init", "--address", "h:1"}).err,
            "godwit: cannot make a site: --name is missing: what the node is called in its site: "
            "lower-case letters, digits and - (write --name NAME)\n");
  EXPECT_TRUE(shell.asked.empty()) << "no node was asked";
}

TEST_F(SiteVerbTest, ErrorsDoNotRepeatATokenAsTheirOperand) {
  refused = Error(Code::kDenied, "the token has been used");
  const auto heard =
      shell.Type({"site", "join", std::string(kToken), "h:1", "--name", "b", "--address", "i:1"});
  EXPECT_EQ(heard.exit, 11);
  EXPECT_EQ(heard.err, "godwit: cannot join the site at 'h:1': the token has been used\n");
}

TEST_F(SiteVerbTest, ATokenAloneIsOnStandardOutput) {
  shell.Answers("POST /godwit/v1/site/tokens?ttl_ms=600000", 200,
                R"({"token":"godwit1-00ff","ends_at":"2026-11-22T01:00:00Z","address":"h:1"})");
  EXPECT_EQ(shell.Type({"site", "token", "--ttl", "10m"}).out, "godwit1-00ff\n");
  EXPECT_EQ(shell.Type({"site", "token", "--ttl", "soon"}).exit, 2);
}

TEST_F(SiteVerbTest, AListOfNodes) {
  shell.now = *ParseIso("2026-11-22T01:00:00Z");
  shell.Answers("GET /godwit/v1/site", 200,
                R"({"site":"5f0c","node":"a","nodes":[
                {"name":"a","address":"h:1","alive":true,"self":true,"godwit":"0.1.0",
                 "joined_at":"2026-11-22T00:57:00.000Z","fingerprint":"00112233445566778899"},
                {"name":"b","address":"i:1","alive":false,"self":false,"godwit":"0.1.0",
                 "joined_at":"2026-11-20T01:00:00.000Z","fingerprint":"ff112233445566778899"}]})");
  EXPECT_EQ(shell.Type({"site", "list"}).out,
            "NODE  ADDRESS  ALIVE  GODWIT  JOINED     CERTIFICATE\n"
            "a *   h:1      yes    0.1.0   3 min ago  0011223344556677\n"
            "b     i:1      no     0.1.0   2 d ago    ff11223344556677\n");
}

TEST_F(SiteVerbTest, LeavingAndEvicting) {
  shell.Answers("POST /godwit/v1/site/leave", 200, R"({"left":"5f0c","node":"a"})");
  EXPECT_EQ(shell.Type({"site", "leave"}).out, "a has left site 5f0c\n");
  shell.Answers("DELETE /godwit/v1/site/members/b", 200, R"({"evicted":"b"})");
  EXPECT_EQ(shell.Type({"site", "evict", "b"}).out, "b evicted\n");
  EXPECT_EQ(shell.Type({"site", "evict", "b", "--json"}).out, "{\"evicted\":\"b\"}\n");
}

TEST_F(SiteVerbTest, AVerbOfTwoWords) {
  const auto alone = shell.Type({"site"});
  EXPECT_EQ(alone.exit, 2);
  EXPECT_EQ(alone.err,
            "godwit: cannot run 'site': it wants one of: init, token, join, list, leave, evict\n");
  EXPECT_THAT(shell.Type({"site", "lst"}).err,
              AllOf(HasSubstr("cannot run 'site lst'"), HasSubstr("site list")));
  EXPECT_THAT(shell.Type({"help", "site", "token"}).out,
              StartsWith("Usage: godwit site token [FLAGS]"));
  EXPECT_THAT(shell.Type({"--json", "site", "evict"}).err, HasSubstr("NODE is missing"));
}

}  // namespace
}  // namespace godwit::cli
