#include "cli/run.h"

#include <gmock/gmock.h>

#include "cli/help.h"
#include "cli/test_shell.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(RunTest, WithoutWordsItSaysWhatThereIs) {
  TestShell shell;
  const auto heard = shell.Type({});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.out, "");
  EXPECT_THAT(heard.err, StartsWith("godwit " GODWIT_VERSION ": functions that can be stopped"));
}

TEST(RunTest, TheOverviewNamesEveryVerbAndEveryExitCode) {
  TestShell shell;
  const auto heard = shell.Type({"--help"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.err, "");
  for (const auto& verb : Verbs({.name = "node"}, {})) {
    EXPECT_THAT(heard.out, HasSubstr("\n  " + verb.name + " "));
  }
  for (const auto& [code, meaning] : ExitCodes()) {
    EXPECT_THAT(heard.out, testing::ContainsRegex("\n  " + std::to_string(code) + " +" + meaning));
  }
  EXPECT_EQ(shell.Type({"help"}).out, heard.out);
}

TEST(RunTest, EveryVerbHasHelpWithAnExampleAndJson) {
  TestShell shell;
  for (const auto& verb : Verbs({.name = "node", .example = "godwit node"}, {})) {
    const auto heard = shell.Type({verb.name, "--help"});
    EXPECT_EQ(heard.exit, 0) << verb.name;
    EXPECT_THAT(heard.out, StartsWith("Usage: godwit " + verb.name)) << verb.name;
    EXPECT_THAT(heard.out, HasSubstr("\nExample:\n  ")) << verb.name;
    EXPECT_THAT(heard.out, HasSubstr("  --json")) << verb.name;
    EXPECT_THAT(verb.example, HasSubstr("godwit " + verb.name)) << verb.name;
    EXPECT_EQ(shell.Type({"help", verb.name}).out, heard.out) << verb.name;
  }
}

TEST(RunTest, TheHelpOfAVerb) {
  TestShell shell;
  EXPECT_EQ(shell.Type({"suspend", "--help"}).out,
            R"(Usage: godwit suspend INSTANCE [FLAGS]

Put an instance away, mid-call if need be, and free its memory.

It comes back by itself when what it sleeps on is due or a call wants it, or by hand with `godwit
resume`. An instance that cannot be put away goes on as it was, and the error says what stands in
the way.

With --tier it goes less far: frozen stays in memory without a processor, spilled keeps its
processes and has its memory on disk, disk (the default) keeps nothing.

Operands:
  INSTANCE  its id, as `godwit ps` shows it

Flags:
  --tier TIER     how far: frozen, spilled or disk
  --json          print the result as JSON
  --endpoint URL  the node to talk to; else GODWIT_ENDPOINT, else http://127.0.0.1:9000
  --help          show this text

Example:
  godwit suspend i-3f9a0c51b2
)");
}

TEST(RunTest, ATypoIsAnsweredWithTheNearestWord) {
  TestShell shell;
  auto heard = shell.Type({"susspend", "i-1"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.out, "");
  EXPECT_EQ(heard.err, "godwit: cannot run 'susspend': no such verb (did you mean 'suspend'?)\n");
  heard = shell.Type({"ps", "--jsn"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err, "godwit: cannot run 'ps': unknown flag '--jsn' (did you mean '--json'?)\n");
  heard = shell.Type({"--verbose"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err,
            "godwit: cannot run '--verbose': a verb comes first (see `godwit --help`)\n");
  EXPECT_TRUE(shell.asked.empty());
}

TEST(RunTest, TheEndpointIsTheFlagsElseTheVariablesElseTheDefault) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/instances", 200, "[]");
  EXPECT_EQ(shell.Type({"ps"}).exit, 0);
  EXPECT_EQ(shell.url, "http://127.0.0.1:9000");
  shell.endpoint = "http://10.0.0.2:9000/";
  EXPECT_EQ(shell.Type({"ps"}).exit, 0);
  EXPECT_EQ(shell.url, "http://10.0.0.2:9000");
  EXPECT_EQ(shell.Type({"ps", "--endpoint", "10.0.0.3:80"}).exit, 0);
  EXPECT_EQ(shell.url, "http://10.0.0.3:80");
  EXPECT_EQ(shell.Type({"--endpoint", "unix:/run/godwit.sock", "--json", "ps"}).out, "[]\n");
  EXPECT_EQ(shell.url, "unix:/run/godwit.sock");
}

TEST(RunTest, AnEndpointThatIsNone) {
  TestShell shell;
  const auto heard = shell.Type({"ps", "--endpoint", "http://"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_THAT(heard.err, StartsWith("godwit: cannot list instances: 'http:"));
}

TEST(RunTest, WithoutANodeTheErrorSaysHowToStartOne) {
  TestShell shell;
  shell.reachable = false;
  const auto heard = shell.Type({"ps"});
  EXPECT_EQ(heard.exit, 13);
  EXPECT_EQ(heard.out, "");
  EXPECT_EQ(
      heard.err,
      "godwit: cannot list instances: cannot reach 'http://127.0.0.1:9000': Connection refused "
      "(is a node running there? start one with `sudo godwit node`, or name another with "
      "--endpoint)\n");
}

TEST(RunTest, ANodeThatNamesWhatItCouldNotDoSaysCannotOnce) {
  TestShell shell;
  shell.refused = Error(Code::kConflict, "cannot listen on '127.0.0.1:1': in use (pass another)");
  const auto heard = shell.Type({"node"});
  EXPECT_EQ(heard.exit, 7);
  EXPECT_EQ(heard.err, "godwit: cannot listen on '127.0.0.1:1': in use (pass another)\n");
  shell.refused = Error(Code::kInternal, "something else");
  EXPECT_EQ(shell.Type({"node"}).err, "godwit: cannot run a node: something else\n");
}

TEST(RunTest, TheNodeVerbGetsItsConfiguration) {
  TestShell shell;
  EXPECT_EQ(shell.Type({"node", "--data", "/srv/g", "--listen=[::1]:0", "--keep-awake"}).exit, 0);
  EXPECT_EQ(shell.started.data, "/srv/g");
  EXPECT_EQ(shell.started.listen, "[::1]:0");
  EXPECT_TRUE(shell.started.keep_awake);
  const auto heard = shell.Type({"node", "--blocked-after", "soon"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(
      heard.err,
      "godwit: cannot run a node: flag '--blocked-after': 'soon' is not a length of time (write "
      "500ms, 1s, 10m, 24h or 7d)\n");
  EXPECT_EQ(shell.Type({"node", "--lisen", "1"}).err,
            "godwit: cannot run 'node': unknown flag '--lisen' (did you mean '--listen'?)\n");
  EXPECT_THAT(shell.Type({"node", "--help"}).out, HasSubstr("--blocked-after DURATION"));
}

TEST(RunTest, TheVersion) {
  TestShell shell;
  EXPECT_EQ(shell.Type({"version"}).out, "godwit " GODWIT_VERSION "\n");
  EXPECT_EQ(shell.Type({"--version"}).out, "godwit " GODWIT_VERSION "\n");
  EXPECT_EQ(shell.Type({"version", "--json"}).out, "{\"version\":\"" GODWIT_VERSION "\"}\n");
}

}  // namespace
}  // namespace godwit::cli
