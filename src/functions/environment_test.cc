#include "functions/environment.h"

#include <gmock/gmock.h>

namespace godwit::functions {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

FunctionSpec Spec() {
  FunctionSpec spec;
  spec.name = "f";
  spec.runtime = "python3.11";
  spec.handler = "main.handler";
  return spec;
}

TEST(EnvironmentTest, RuntimesAreLambdasOwnNamesAndTheHostsInterpreters) {
  EXPECT_EQ(*RuntimeOf("python3"), RuntimeKind::kPython);
  EXPECT_EQ(*RuntimeOf("nodejs20.x"), RuntimeKind::kNode);
  EXPECT_EQ(*RuntimeOf("provided.al2023"), RuntimeKind::kProvided);
  EXPECT_THAT(RuntimeOf("ruby3.2").error().ToString(),
              HasSubstr("'ruby3.2' is not here (use python3"));
}

TEST(EnvironmentTest, WhatCannotRunIsRefusedBeforeItIsKept) {
  EXPECT_TRUE(CheckSpec(Spec()).has_value());
  FunctionSpec spec = Spec();
  spec.handler = "nodot";
  EXPECT_EQ(CheckSpec(spec).error().code(), Code::kInvalid);
  spec = Spec();
  spec.environment = {{"AWS_REGION", "x"}};
  EXPECT_THAT(CheckSpec(spec).error().ToString(), HasSubstr("AWS_REGION"));
  spec.environment = {{"BIG", std::string(5000, 'x')}};
  EXPECT_THAT(CheckSpec(spec).error().ToString(), HasSubstr("4KB"));
  spec.environment = {{"bad name", "x"}};
  EXPECT_EQ(CheckSpec(spec).error().code(), Code::kInvalid);
}

TEST(EnvironmentTest, TheProgramSeesLambdasVariablesAndItsOwn) {
  Function function;
  function.spec = Spec();
  function.spec.environment = {{"COLOUR", "blue"}};
  const auto program = ProgramOf(function, {"i-0000000001"}, 7, {});
  EXPECT_EQ(program.argv.front(), "/usr/bin/python3");
  for (const char* variable :
       {"_HANDLER=main.handler", "LAMBDA_TASK_ROOT=/var/task",
        "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "AWS_LAMBDA_FUNCTION_NAME=f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "COLOUR=blue"}) {
    EXPECT_THAT(program.environment, Contains(variable));
  }
}

TEST(EnvironmentTest, AnImageStartsItsOwnProgramUnlessItsOwnerSaysOtherwise) {
  Function function;
  function.spec.name = "boxed";
  function.spec.image = "sha256:1";
  function.spec.environment = {{"COLOUR", "blue"}};
  function.image_start = {{"/e", "-x"}, {"app.handler"}, "/w", {"PATH=/own", "COLOUR=red"}};
  EXPECT_TRUE(CheckSpec(function.spec)) << "it has neither runtime nor handler";
  auto program = ProgramOf(function, {"i-0000000001"}, 7, {});
  EXPECT_THAT(program.argv, ElementsAre("/e", "-x", "app.handler"));
  EXPECT_EQ(program.directory, "/w");
  for (const char* variable : {"PATH=/own", "COLOUR=blue", "_HANDLER=app.handler",
                               "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"}) {
    EXPECT_THAT(program.environment, Contains(variable).Times(1));
  }
  function.spec.image_config.command = {"other.handler"};
  EXPECT_THAT(ProgramOf(function, {"i-0000000001"}, 7, {}).argv,
              ElementsAre("/e", "-x", "other.handler"));
  function.spec.image_config = {{"/mine"}, {}, "/usr", {}};
  program = ProgramOf(function, {"i-0000000001"}, 7, {});
  EXPECT_THAT(program.argv, ElementsAre("/mine"));
  EXPECT_EQ(program.directory, "/usr");
  function.spec.image_config.command = {std::string(70'000, 'x')};
  EXPECT_EQ(CheckSpec(function.spec).error().code(), Code::kTooLarge);
  function.spec = Spec();
  function.spec.engine = "podman";
  EXPECT_THAT(CheckSpec(function.spec).error().ToString(), HasSubstr("no engine 'podman'"));
}

}  // namespace
}  // namespace godwit::functions
