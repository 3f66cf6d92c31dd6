#include "images/image_json.h"

#include <gmock/gmock.h>

#include "images/test_tar.h"

namespace godwit::images {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kDigest = DigestOf("x");

std::string Why(const auto& result) { return result ? "" : result.error().ToString(); }

TEST(ImageJsonTest, ReadsHowAProgramIsStarted) {
  const auto image =
      ParseImage(MakeConfig({"layer"}, R"({"Entrypoint": ["/e", "-x"], "Cmd": ["app.handler"],
        "Env": ["A=1", "nonsense", "=x", "B="], "WorkingDir": "/work"})"),
                 OwnArchitecture());
  ASSERT_TRUE(image);
  EXPECT_THAT(image->config.entrypoint, ElementsAre("/e", "-x"));
  EXPECT_THAT(image->config.command, ElementsAre("app.handler"));
  EXPECT_THAT(image->config.environment, ElementsAre("A=1", "B="));
  EXPECT_EQ(image->config.directory, "/work");
  EXPECT_THAT(image->diff_ids, ElementsAre(DigestOf("layer")));
}

TEST(ImageJsonTest, RefusesAnotherMachinesImage) {
  EXPECT_THAT(Why(ParseImage(MakeConfig({"l"}), "s390x")), HasSubstr("this node is linux/s390x"));
}

TEST(ImageJsonTest, RefusesMoreWordsThanAProgramIsStartedWith) {
  ImageConfig config;
  config.command.assign(3, std::string(30'000, 'x'));
  EXPECT_THAT(Why(CheckStart(config)), HasSubstr("at most 65536"));
  config.command.assign(kMaxWords + 1, "x");
  EXPECT_THAT(Why(CheckStart(config)), HasSubstr("at most 1500"));
  const std::string words = R"({"Cmd": [")" + std::string(30'000, 'x') + R"(", ")" +
                            std::string(30'000, 'x') + R"(", ")" + std::string(9'000, 'x') +
                            R"("]})";
  EXPECT_THAT(Why(ParseImage(MakeConfig({"l"}, words), OwnArchitecture())),
              HasSubstr("at most 65536"));
}

TEST(ImageJsonTest, ChoosesTheOneForThisMachine) {
  const std::string other = DigestOf("y");
  std::vector<Descriptor> manifests = {{"", kDigest, "linux", "amd64", ""},
                                       {"", other, "linux", "arm64", "v8"},
                                       {"", DigestOf("z"), "unknown", "unknown", ""}};
  EXPECT_EQ(ChooseManifest(manifests, "arm64")->digest, other);
  EXPECT_THAT(Why(ChooseManifest(manifests, "riscv64")), HasSubstr("no image for linux/riscv64"));
  manifests[1].architecture = "amd64";
  EXPECT_THAT(Why(ChooseManifest(manifests, "amd64")), HasSubstr("more than one"));
}

TEST(ImageJsonTest, RefusesWhatIsNoDocument) {
  EXPECT_THAT(Why(ParseIndex("{")), HasSubstr("not JSON"));
  EXPECT_THAT(Why(ParseIndex("[]")), HasSubstr("names no manifests"));
  EXPECT_THAT(Why(ParseIndex(R"({"manifests": [{"digest": "sha256:../../x"}]})")),
              HasSubstr("without a SHA-256"));
  EXPECT_THAT(Why(ParseManifest(R"({"config": {"digest": 5}})")), HasSubstr("no configuration"));
  EXPECT_THAT(Why(ParseManifest(R"({"config": {"digest": ")" + kDigest + R"("}, "layers": []})")),
              HasSubstr("no layers"));
  EXPECT_THAT(Why(ParseSavedManifest(R"([{"Config": "a", "Layers": ["x"]}, {}])")),
              HasSubstr("2 images"));
  EXPECT_THAT(Why(ParseSavedManifest("[]")), HasSubstr("no image"));
  EXPECT_THAT(Why(ParseImage(std::string(100, '['), "amd64")), HasSubstr("not JSON"));
}

}  // namespace
}  // namespace godwit::images
