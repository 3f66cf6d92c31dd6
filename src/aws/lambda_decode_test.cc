#include "aws/lambda_decode.h"

#include <gmock/gmock.h>

#include "aws/lambda_environment.h"
#include "aws/lambda_json.h"

namespace godwit::aws {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

// The body of a CreateFunction that works, with `more` members.
std::string Body(const std::string& more = "") {
  return R"({"FunctionName":"f","Runtime":"python3.11","Role":"r","Handler":"a.b","Code":{"ZipFile":"emlw"})" +
         more + "}";
}

LambdaError ErrorOf(const std::string& body) {
  auto decoded = DecodeCreate(body);
  EXPECT_FALSE(decoded) << body;
  return decoded ? LambdaError{} : decoded.error();
}

TEST(LambdaDecodeTest, CreateTakesWhatClientsSend) {
  const auto request = DecodeCreate(Body(
      R"(,"Description":"d","Timeout":900,"MemorySize":256,"Publish":false,"PackageType":"Zip","VpcConfig":{},
         "Environment":{"Variables":{"KEY":"v","K2":""}},"Tags":{"team":"x"},"EphemeralStorage":{"Size":1024},
         "Layers":[],"DeadLetterConfig":{},"TracingConfig":{"Mode":"Active"},"Unheard":[1],"KMSKeyArn":null)"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->function_name, "f");
  EXPECT_EQ(request->zip, "zip");
  EXPECT_EQ(request->spec.timeout, std::chrono::seconds(900));
  EXPECT_EQ(request->spec.memory_mb, 256);
  EXPECT_EQ(request->spec.ephemeral_mb, 1024);
  EXPECT_THAT(request->spec.environment, UnorderedElementsAre(Pair("KEY", "v"), Pair("K2", "")));
  EXPECT_THAT(request->spec.tags, UnorderedElementsAre(Pair("team", "x")));
}

TEST(LambdaDecodeTest, DefaultsAreLambdas) {
  const auto request = DecodeCreate(Body());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->spec.timeout, std::chrono::seconds(3));
  EXPECT_EQ(request->spec.memory_mb, 128);
  EXPECT_EQ(request->spec.ephemeral_mb, 512);
}

TEST(LambdaDecodeTest, EveryValueOutOfRangeIsNamedInOneException) {
  const LambdaError error =
      ErrorOf(Body(R"(,"Timeout":901,"MemorySize":127,"EphemeralStorage":{"Size":1})"));
  EXPECT_EQ(error.code, LambdaCode::kValidation);
  EXPECT_EQ(error.message,
            "3 validation errors detected: Value '901' at 'timeout' failed to satisfy constraint: "
            "Member must have "
            "value less than or equal to 900; Value '127' at 'memorySize' failed to satisfy "
            "constraint: Member must "
            "have value greater than or equal to 128; Value '1' at 'ephemeralStorage.size' failed "
            "to satisfy "
            "constraint: Member must have value greater than or equal to 512");
}

TEST(LambdaDecodeTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(ErrorOf(R"({"Runtime":"python3.11","Handler":"a.b","Role":"r"})").message,
            "2 validation errors detected: Value null at 'functionName' failed to satisfy "
            "constraint: Member must not "
            "be null; Value null at 'code' failed to satisfy constraint: Member must not be null");
  EXPECT_THAT(
      ErrorOf(R"({"FunctionName":"f","Role":"r","Runtime":"python3.11","Code":{"ZipFile":"emlw"}})")
          .message,
      HasSubstr("Runtime and Handler are mandatory"));
  EXPECT_TRUE(DecodeCreate(
      R"({"FunctionName":"f","Role":"r","Runtime":"provided","Code":{"ZipFile":"emlw"}})"));
  EXPECT_THAT(ErrorOf(R"({"FunctionName":"f","Role":"r","Runtime":"provided","Code":{}})").message,
              HasSubstr("provide a source for function code"));
}

TEST(LambdaDecodeTest, WhatCannotBeHonouredIsRefused) {
  for (const std::string more :
       {R"(,"Layers":["arn:l"])", R"(,"Publish":true)", R"(,"Architectures":["mips"])",
        R"(,"FileSystemConfigs":[{"Arn":"a"}])", R"(,"DeadLetterConfig":{"TargetArn":"arn:q"})",
        R"(,"DurableConfig":{"ExecutionTimeout":1})"}) {
    EXPECT_EQ(ErrorOf(Body(more)).code, LambdaCode::kInvalidParameterValue) << more;
  }
  const std::string head =
      R"({"FunctionName":"f","Runtime":"python3.11","Role":"r","Handler":"a.b","Code":)";
  EXPECT_THAT(ErrorOf(head + R"({"S3Bucket":"b","S3Key":"k"}})").message, HasSubstr("ZipFile"));
  EXPECT_THAT(ErrorOf(head + R"({"ImageUri":"i"}})").message,
              HasSubstr("source for function code"));
  EXPECT_TRUE(DecodeCreate(Body(R"(,"Architectures":[")" + std::string(Architecture()) + R"("])")));
}

TEST(LambdaDecodeTest, AnImageHasNeitherRuntimeNorHandler) {
  const std::string head = R"({"FunctionName":"f","Role":"r","PackageType":"Image","Code":)";
  const auto image = DecodeCreate(head + R"({"ImageUri":"sha256:1"},"Engine":"docker",
      "ImageConfig":{"EntryPoint":["/e"],"Command":["a.b"],"WorkingDirectory":"/w"}})");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->spec.image, "sha256:1");
  EXPECT_EQ(image->spec.engine, "docker");
  EXPECT_EQ(image->spec.image_config, (images::ImageConfig{{"/e"}, {"a.b"}, "/w", {}}));
  EXPECT_THAT(ErrorOf(head + R"({"ImageUri":"i"},"Runtime":"python3"})").message,
              HasSubstr("PackageType is Image"));
  EXPECT_THAT(ErrorOf(head + R"({"ImageUri":"a b"}})").message, HasSubstr("valid ImageUri"));
  EXPECT_THAT(ErrorOf(head + R"({"ImageUri":"i","ZipFile":"eA=="}})").message,
              HasSubstr("together with ImageUri"));
  EXPECT_EQ(DecodeUpdateCode(R"({"ImageUri":"i"})")->image, "i");
}

TEST(LambdaDecodeTest, WhatIsOfTheWrongKindIsNamed) {
  for (const std::string more :
       {R"(,"Timeout":"3")", R"(,"Timeout":1.5)", R"(,"MemorySize":[])", R"(,"Description":{})",
        R"(,"Environment":[])", R"(,"Environment":{"Variables":{"A":1}})", R"(,"Tags":"x")",
        R"(,"Timeout":99999999999999999999)"}) {
    const LambdaError error = ErrorOf(Body(more));
    EXPECT_EQ(error.code, LambdaCode::kSerialization) << more;
    EXPECT_THAT(error.message, HasSubstr("cannot read '")) << more;
  }
  EXPECT_EQ(ErrorOf("[]").code, LambdaCode::kSerialization);
  EXPECT_EQ(ErrorOf("{").code, LambdaCode::kSerialization);
  EXPECT_EQ(
      ErrorOf(
          R"({"FunctionName":"f","Runtime":"x","Role":"r","Handler":"a","Code":{"ZipFile":"?"}})")
          .message,
      "cannot read 'ZipFile': it is not base64");
}

TEST(LambdaDecodeTest, HandlerAndDescriptionHaveTheirLimits) {
  EXPECT_EQ(ErrorOf(Body(R"(,"Handler":"a b")")).code, LambdaCode::kValidation);
  EXPECT_EQ(ErrorOf(Body(R"(,"Handler":")" + std::string(129, 'h') + '"')).code,
            LambdaCode::kValidation);
  EXPECT_EQ(ErrorOf(Body(R"(,"Description":")" + std::string(257, 'd') + '"')).code,
            LambdaCode::kValidation);
}

TEST(LambdaDecodeTest, EnvironmentsAreChecked) {
  EXPECT_TRUE(CheckEnvironment({{"AB", "x"}}));
  EXPECT_FALSE(CheckEnvironment({{"A", "x"}})) << "Lambda wants two characters";
  EXPECT_FALSE(CheckEnvironment({{"1A", "x"}}));
  EXPECT_FALSE(CheckEnvironment({{"A=B", "x"}}));
  EXPECT_FALSE(CheckEnvironment({{"AB", std::string("x\0y", 3)}}));
  EXPECT_FALSE(CheckEnvironment({{"AB", std::string(4097, 'x')}}));
  const auto reserved = CheckEnvironment({{"AWS_REGION", "x"}, {"_HANDLER", "y"}, {"OK", "z"}});
  ASSERT_FALSE(reserved);
  EXPECT_THAT(reserved.error().message,
              HasSubstr("Reserved keys used in this request: AWS_REGION, _HANDLER"));
}

TEST(LambdaDecodeTest, AnUpdateChangesOnlyWhatItNames) {
  const auto patch =
      DecodeUpdateConfiguration(R"({"Timeout":5,"RevisionId":"r","Environment":{}})");
  ASSERT_TRUE(patch);
  EXPECT_EQ(patch->timeout, std::chrono::seconds(5));
  EXPECT_EQ(patch->revision_id, "r");
  EXPECT_FALSE(patch->memory_mb);
  EXPECT_FALSE(patch->runtime);
  ASSERT_TRUE(patch->environment) << "an environment without variables empties it";
  EXPECT_TRUE(patch->environment->empty());
  EXPECT_FALSE(DecodeUpdateConfiguration(R"({"Timeout":0})"));
  EXPECT_TRUE(DecodeUpdateConfiguration(""));
}

TEST(LambdaDecodeTest, CodeUpdatesAndConcurrency) {
  const auto deployment = DecodeUpdateCode(R"({"ZipFile":"emlw","DryRun":true,"RevisionId":"r"})");
  ASSERT_TRUE(deployment);
  EXPECT_EQ(deployment->zip, "zip");
  EXPECT_TRUE(deployment->dry_run);
  EXPECT_FALSE(DecodeUpdateCode(R"({"ZipFile":"emlw","Publish":true})"));
  EXPECT_FALSE(DecodeUpdateCode("{}"));
  EXPECT_EQ(DecodeConcurrency(R"({"ReservedConcurrentExecutions":7})").value_or(0), 7);
  EXPECT_FALSE(DecodeConcurrency(R"({"ReservedConcurrentExecutions":0})"));
  EXPECT_FALSE(DecodeConcurrency(R"({"ReservedConcurrentExecutions":-1})"));
  EXPECT_FALSE(DecodeConcurrency("{}"));
}

}  // namespace
}  // namespace godwit::aws
