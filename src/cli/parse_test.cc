#include "cli/parse.h"

#include <gmock/gmock.h>

#include "cli/habits.h"

namespace godwit::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Verb TestVerb() {
  return {.name = "try",
          .brief = "Try",
          .example = "godwit try f",
          .operands = {{"FUNCTION", "its name"}, {"PAYLOAD", "JSON", true}},
          .flags = {{"--async", "", "do not wait"},
                    {"--timeout", "SECONDS", "how long"},
                    {"--env", "K=V", "a variable", true}}};
}

Result<Args> Try(const std::vector<std::string>& words) { return Parse(TestVerb(), words); }

std::string ErrorOf(const std::vector<std::string>& words) {
  const auto args = Try(words);
  if (args) return "no error";
  EXPECT_EQ(args.error().code(), Code::kInvalid);
  return args.error().ToString();
}

TEST(ParseTest, OperandsAndFlagsInAnyOrder) {
  const auto args = Try({"--env", "A=1", "greeter", "--async", "--env=B=x y", R"({"a":[1]})"});
  ASSERT_TRUE(args.has_value()) << args.error().ToString();
  EXPECT_EQ(args->Get("FUNCTION"), "greeter");
  EXPECT_EQ(args->Get("PAYLOAD"), R"({"a":[1]})");
  EXPECT_THAT(args->All("--env"), ElementsAre("A=1", "B=x y"));
  EXPECT_TRUE(args->Has("--async"));
  EXPECT_FALSE(args->Has("--timeout"));
}

TEST(ParseTest, PayloadsArePassedOnUntouched) {
  EXPECT_EQ(Try({"f", "[1,2]"})->Get("PAYLOAD"), "[1,2]");
  EXPECT_EQ(Try({"f", "-"})->Get("PAYLOAD"), "-");
  EXPECT_EQ(Try({"f", ""})->Get("PAYLOAD"), "");
  EXPECT_EQ(Try({"f", "--", "-5"})->Get("PAYLOAD"), "-5");
  EXPECT_EQ(Try({"f", "\"--async\""})->Get("PAYLOAD"), "\"--async\"");
  EXPECT_EQ(Try({"f", "{\"a\":\n1}"})->Get("PAYLOAD"), "{\"a\":\n1}");
  EXPECT_EQ(Try({"ps", "list"})->Get("PAYLOAD"), "list")
      << "a verb's name is a word like any other";
}

TEST(ParseTest, OperandsThatTakeTheRest) {
  Verb verb = TestVerb();
  verb.operands = {{"FUNCTION", "its name", false, true}};
  EXPECT_THAT(Parse(verb, std::vector<std::string>{"a", "b", "c"})->All("FUNCTION"),
              ElementsAre("a", "b", "c"));
}

TEST(ParseTest, SwitchesCanBeSwitchedOff) {
  EXPECT_FALSE(Try({"f", "--async=false"})->Has("--async"));
  EXPECT_EQ(Try({"f", "--async=false"})->Get("--async"), "false");
  EXPECT_THAT(Try({"f"})->All("--async"), IsEmpty());
}

TEST(ParseTest, ErrorsNameTheWordAndTheWayOut) {
  EXPECT_EQ(ErrorOf({"f", "--asink"}), "unknown flag '--asink' (did you mean '--async'?)");
  EXPECT_EQ(ErrorOf({"f", "--jsn=1"}), "unknown flag '--jsn' (did you mean '--json'?)");
  EXPECT_EQ(ErrorOf({"f", "--frobnicate"}),
            "unknown flag '--frobnicate' (see `godwit try --help`)");
  EXPECT_EQ(ErrorOf({"f", "{}", "more"}),
            "'more' is one operand too many (see `godwit try --help`)");
  EXPECT_EQ(ErrorOf({"--async"}),
            "FUNCTION is missing: its name (usage: godwit try FUNCTION [PAYLOAD] [FLAGS])");
  EXPECT_EQ(ErrorOf({"f", "--timeout"}), "flag '--timeout' wants a value: SECONDS (how long)");
  EXPECT_EQ(ErrorOf({"f", "--timeout", "1", "--timeout", "2"}), "flag '--timeout' is given twice");
}

TEST(ParseTest, HelpGoesBeforeAllElse) {
  EXPECT_TRUE(Try({"--help"})->Has("--help"));
  EXPECT_TRUE(Try({"-h"})->Has("--help"));
  EXPECT_TRUE(Try({"a", "b", "c", "--nonsense", "--help"})->Has("--help"));
}

TEST(ArgsTest, NumbersAreWhole) {
  Args args;
  args.Set("--timeout", {"30"});
  args.Set("--memory", {"12x"});
  EXPECT_EQ(*args.Number("--timeout"), 30);
  EXPECT_EQ(*args.Number("--bytes"), std::nullopt);
  EXPECT_EQ(args.Number("--memory").error().ToString(), "--memory wants a whole number, not '12x'");
}

TEST(HabitsTest, WordsOfOtherPrograms) {
  EXPECT_EQ(HabitOfVerb("ls"), " (did you mean 'list'?)");
  EXPECT_EQ(HabitOfVerb("delete"), " (did you mean 'rm'?)");
  EXPECT_EQ(HabitOfVerb("frob"), "");
  EXPECT_EQ(HabitOfFlag("logs", "-f"), " (did you mean '--follow'?)");
  EXPECT_EQ(HabitOfFlag("rm", "-f"), " (leave it out: rm does not ask)");
  EXPECT_EQ(HabitOfFlag("ps", "-a"), " (leave it out: ps lists all instances)");
  EXPECT_EQ(HabitOfFlag("list", "-o"), " (did you mean '--json'?)");
  EXPECT_EQ(HabitOfFlag("list", "--frob"), "");
}

}  // namespace
}  // namespace godwit::cli
