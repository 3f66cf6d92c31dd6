#include "cli/output.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <sstream>

namespace godwit::cli {
namespace {

struct Screen {
  std::ostringstream out, err;
};

const Table kTable = {{"NAME", "SIZE", "REASON"},
                      {{{"greeter"}, {"13.7 MB", Colour::kNone, true}, {"waits for a call"}},
                       {{"ü"}, {"0 B", Colour::kNone, true}, {"sleeps until its timer is due"}}}};

TEST(OutputTest, TablesAreAligned) {
  Screen screen;
  Output(screen.out, screen.err, {}).Show(kTable);
  EXPECT_EQ(screen.out.str(),
            "NAME        SIZE  REASON\n"
            "greeter  13.7 MB  waits for a call\n"
            "ü            0 B  sleeps until its timer is due\n");
}

TEST(OutputTest, ATerminalCutsTheLastColumnAndHasColours) {
  Screen screen;
  Output out(screen.out, screen.err, {.terminal = true, .colour = true, .width = 34});
  out.Show(kTable);
  EXPECT_EQ(screen.out.str(),
            "\x1b[2mNAME\x1b[0m        \x1b[2mSIZE\x1b[0m  \x1b[2mREASON\x1b[0m\n"
            "greeter  13.7 MB  waits for a call\n"
            "ü            0 B  sleeps until it…\n");
}

TEST(OutputTest, JsonPutsARowOnALine) {
  Screen screen;
  Output out(screen.out, screen.err, {});
  out.Show(boost::json::parse(R"([{"a":1},{"a":2}])"));
  out.Show(boost::json::parse(R"({"a":[1,2]})"));
  out.Show(boost::json::parse("[]"));
  EXPECT_EQ(screen.out.str(), "[{\"a\":1},\n {\"a\":2}]\n{\"a\":[1,2]}\n[]\n");
}

TEST(OutputTest, ProgressIsForTerminalsOnly) {
  Screen screen;
  Output(screen.out, screen.err, {}).Progress("zipping");
  EXPECT_EQ(screen.err.str(), "");
  Output(screen.out, screen.err, {.progress = true}).Progress("zipping");
  EXPECT_EQ(screen.err.str(), "zipping\n");
}

TEST(OutputTest, AnErrorIsOneLine) {
  Screen screen;
  Error error(Code::kInvalid, "a\nb\x1b[31m");
  error.Within("cannot invoke 'f'");
  Output(screen.out, screen.err, {}).Report(error);
  EXPECT_EQ(screen.err.str(), "godwit: cannot invoke 'f': a b [31m\n");
}

TEST(OutputTest, ALostLineIsAnError) {
  Screen screen;
  Output out(screen.out, screen.err, {});
  EXPECT_TRUE(out.Finish().has_value());
  screen.out.setstate(std::ios::badbit);
  EXPECT_EQ(out.Finish().error().code(), Code::kNoSpace);
}

}  // namespace
}  // namespace godwit::cli
