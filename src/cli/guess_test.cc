#include "cli/guess.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;

class GuessTest : public testing::Test {
 protected:
  GuessTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-guess-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~GuessTest() override { fs::remove_all(directory_); }

  void Put(const std::string& name, const std::string& text = "") const {
    std::ofstream(directory_ + "/" + name) << text;
  }
  std::string Says(std::optional<std::string> runtime = {},
                   std::optional<std::string> handler = {}) const {
    const auto guess = GuessRuntime(directory_, runtime, handler);
    if (!guess) return guess.error().ToString();
    return guess->runtime + " " + guess->handler + " " + guess->file;
  }

  std::string directory_;
};

TEST_F(GuessTest, TheOnlyPythonFile) {
  Put("greeter.py", "def handler(event, context):\n");
  Put("README.md");
  EXPECT_EQ(Says(), "python3 greeter.handler greeter.py");
  EXPECT_EQ(Says("python3.11"), "python3.11 greeter.handler greeter.py");
  EXPECT_EQ(Says("nodejs"),
            "no file in it tells the handler (name it with --handler FILE.FUNCTION)");
}

TEST_F(GuessTest, TheUsualNamesAmongOthers) {
  Put("helper.py");
  Put("lambda_function.py", "def lambda_handler(event, context):\n");
  EXPECT_EQ(Says(), "python3 lambda_function.lambda_handler lambda_function.py");
}

TEST_F(GuessTest, NodeInItsThreeForms) {
  Put("index.mjs", "export const handler = async () => 1;");
  Put("lib.mjs");
  EXPECT_EQ(Says(), "nodejs index.handler index.mjs");
}

TEST_F(GuessTest, ABootstrapMustBeExecutable) {
  Put("bootstrap", "#!/bin/sh\n");
  EXPECT_THAT(Says(), testing::HasSubstr("its bootstrap is not executable (chmod +x '"));
  fs::permissions(directory_ + "/bootstrap", fs::perms::owner_all);
  EXPECT_EQ(Says(), "provided bootstrap bootstrap");
  EXPECT_EQ(Says("provided.al2023"), "provided.al2023 bootstrap bootstrap");
}

TEST_F(GuessTest, AHandlerNamesItsFile) {
  Put("a.py");
  Put("b.js");
  EXPECT_EQ(Says({}, "b.main"), "nodejs b.main b.js");
  EXPECT_EQ(Says({}, "c.main"),
            "handler 'c.main' names no file in it (FILE.FUNCTION; or name the runtime too, with "
            "--runtime)");
  EXPECT_EQ(Says(), "both 'b.js' and 'a.py' could be its main file (choose with --runtime)");
}

TEST_F(GuessTest, WhatIsSaidIsKept) { EXPECT_EQ(Says("java", "a.B"), "java a.B "); }

TEST_F(GuessTest, AFolderThatIsNotThere) {
  const auto guess = GuessRuntime(directory_ + "/none", {}, {});
  EXPECT_EQ(guess.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace godwit::cli
