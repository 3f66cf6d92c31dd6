#include "cli/completion.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/node_verb.h"
#include "cli/test_shell.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

using testing::HasSubstr;

// What `command` prints, run by `shell` with the completion for it in a file named $1.
std::string ShellSays(const std::string& shell, const std::string& script,
                      const std::string& command) {
  std::string path = std::filesystem::temp_directory_path() / "godwit-completion-XXXXXX";
  EXPECT_GE(::mkstemp(path.data()), 0);
  std::ofstream(path) << script;
  const std::string line = shell + " -c '" + command + "' " + shell + " " + path + " 2>&1";
  std::string text;
  FILE* pipe = ::popen(line.c_str(), "r");
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  ::pclose(pipe);
  std::filesystem::remove(path);
  return text;
}

bool Has(const char* shell) {
  return std::system((std::string("command -v ") + shell + " >/dev/null").c_str()) == 0;
}

std::vector<Verb> All() { return Verbs(NodeVerb({}), {}); }

TEST(CompletionTest, ARealBashCompletesVerbsFlagsAndChoices) {
  if (!Has("bash")) GTEST_SKIP() << "there is no bash";
  const auto complete = [](const std::string& words, int index) {
    return ShellSays("bash", BashCompletion(All()),
                     ". \"$1\"; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(index) +
                         "; _godwit; echo \"${COMPREPLY[@]}\"");
  };
  EXPECT_EQ(complete("godwit su", 1), "suspend\n");
  EXPECT_EQ(complete("godwit re", 1), "result resume\n");
  EXPECT_EQ(complete("godwit invoke --a", 2), "--async\n");
  EXPECT_EQ(complete("godwit deploy --runtime p", 3), "python3 provided\n");
  EXPECT_EQ(complete("godwit node --idle", 2), "--idle-after\n");
  EXPECT_EQ(complete("godwit si", 1), "site\n");
  EXPECT_EQ(complete("godwit site l", 2), "list leave\n");
  EXPECT_EQ(complete("godwit site token --t", 3), "--ttl\n");
}

TEST(CompletionTest, ARealBashCompletesWhatTheNodeHas) {
  if (!Has("bash")) GTEST_SKIP() << "there is no bash";
  const auto complete = [](const std::string& words, int index) {
    return ShellSays("bash", BashCompletion(All()),
                     "godwit() { [ $1 = list ] && echo FUNCTION && echo greeter && echo gate || { "
                     "echo INSTANCE; echo i-1; }; }; cd /usr; . \"$1\"; COMP_WORDS=(" +
                         words + "); COMP_CWORD=" + std::to_string(index) +
                         "; _godwit; echo \"${COMPREPLY[@]}\"");
  };
  EXPECT_EQ(complete("godwit invoke g", 2), "greeter gate\n");
  EXPECT_EQ(complete("godwit suspend \"\"", 2), "i-1\n");
  EXPECT_EQ(complete("godwit rm gate gr", 3), "greeter\n");
  EXPECT_EQ(complete("godwit invoke greeter sb", 3), "sbin\n") << "a file";
  EXPECT_EQ(complete("godwit deploy sb", 2), "sbin\n");
}

TEST(CompletionTest, OtherShellsCanReadTheirs) {
  if (Has("zsh")) EXPECT_EQ(ShellSays("zsh", ZshCompletion(All()), "zsh -n \"$1\""), "");
  if (Has("fish")) EXPECT_EQ(ShellSays("fish", FishCompletion(All()), "fish -n $argv[1]"), "");
  EXPECT_THAT(ZshCompletion(All()), HasSubstr("'--async[let the node run it"));
  EXPECT_THAT(FishCompletion(All()),
              HasSubstr("complete -c godwit -n '__fish_seen_subcommand_from deploy' -l runtime"));
  EXPECT_THAT(
      FishCompletion(All()),
      HasSubstr("__fish_seen_subcommand_from site; and __fish_seen_subcommand_from token' -l ttl"));
  EXPECT_THAT(ZshCompletion(All()), HasSubstr("site) if (( CURRENT == 2 )); then compadd init "));
}

TEST(CompletionTest, TheVerb) {
  TestShell shell;
  EXPECT_EQ(shell.Type({"completion", "bash"}).out, BashCompletion(All()));
  EXPECT_EQ(shell.Type({"completion", "zsh"}).out, ZshCompletion(All()));
  EXPECT_EQ(shell.Type({"completion", "fish"}).out, FishCompletion(All()));
  EXPECT_THAT(shell.Type({"completion", "bash", "--json"}).out,
              testing::StartsWith("{\"shell\":\"bash\",\"script\":\"# bash completion"));
  const auto heard = shell.Type({"completion", "tcsh"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(
      heard.err,
      "godwit: cannot write the completion for 'tcsh': no such shell is known (bash, zsh and fish "
      "are)\n");
}

}  // namespace
}  // namespace godwit::cli
