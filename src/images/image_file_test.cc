#include "images/image_file.h"

#include <gmock/gmock.h>
#include <zstd.h>

#include <filesystem>

#include "images/test_tar.h"
#include "storage/test_directory.h"

namespace godwit::images {
namespace {

namespace fs = std::filesystem;
using storage::ReadFile;
using storage::WriteFile;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Packed(const std::string& bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 3));
  return packed;
}

class ImageFileTest : public testing::Test {
 protected:
  Result<Image> Import(const std::string& tar) {
    WriteFile(home_ / "tar", tar);
    fs::create_directory(home_ / "work");
    auto image = ImportImage(home_ / "tar", home_ / "work",
                             [&](const std::string& id) { return RootOf(id); });
    EXPECT_FALSE(fs::exists(home_ / "work"));
    return image;
  }
  std::string Refusal(const std::string& tar) {
    const auto image = Import(tar);
    EXPECT_FALSE(image);
    for (const auto& entry : fs::directory_iterator(home_.path()))
      EXPECT_EQ(entry.path().filename(), "tar");
    return image ? "" : image.error().ToString();
  }
  std::string RootOf(const std::string& id) { return home_ / std::string(HexOf(id)); }

  const std::vector<std::string> layers_ = {
      MakeTar({{"start", "one", '0', 0755}, {"old", "o"}, {"tmp", "", '2', 0777, "/etc"}}),
      MakeTar({{".wh.old", ""}, {"etc/resolv.conf", "", '2', 0777, "../run/x"}, {"new", "n"}})};
  storage::TestDirectory home_;
};

TEST_F(ImageFileTest, ReadsWhatDockerSaves) {
  const auto image = Import(MakeSaved(layers_));
  ASSERT_TRUE(image) << image.error().ToString();
  EXPECT_EQ(image->id, DigestOf(MakeConfig(layers_)));
  EXPECT_THAT(image->config.entrypoint, ElementsAre("/start"));
  EXPECT_EQ(image->bytes, 5U);
  const std::string root = RootOf(image->id);
  EXPECT_EQ(ReadFile(root + "/start"), "one");
  EXPECT_FALSE(fs::exists(root + "/old"));
  // Nothing that walls are hung on leads elsewhere.
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(root + "/tmp")));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(root + "/etc/resolv.conf")));
  // The same image again is the same directory.
  WriteFile(root + "/mark", "m");
  ASSERT_TRUE(Import(MakeSaved(layers_)));
  EXPECT_TRUE(fs::exists(root + "/mark"));
}

TEST_F(ImageFileTest, ReadsAnOciLayoutWithPackedLayers) {
  const auto plain = Import(MakeLayout(layers_));
  ASSERT_TRUE(plain) << plain.error().ToString();
  fs::remove_all(RootOf(plain->id));
  const auto packed = Import(Packed(MakeLayout(layers_, {Packed(layers_[0]), layers_[1]})));
  ASSERT_TRUE(packed) << packed.error().ToString();
  EXPECT_EQ(packed->id, plain->id);
  EXPECT_EQ(ReadFile(RootOf(packed->id) + "/start"), "one");
}

TEST_F(ImageFileTest, RefusesWhatIsNoImageOrNotWhatItSays) {
  EXPECT_THAT(Refusal("nonsense"), HasSubstr("no"));
  EXPECT_THAT(Refusal(""), HasSubstr("no"));
  EXPECT_THAT(Refusal(MakeTar({{"hello", "x"}})), HasSubstr("it holds no image"));
  std::string damaged = MakeLayout(layers_);
  damaged[damaged.find("one") + 1] = 'N';
  EXPECT_THAT(Refusal(damaged), HasSubstr("make the tar anew"));
  std::string changed = MakeSaved(layers_);
  changed[changed.find("one") + 1] = 'N';
  EXPECT_THAT(Refusal(changed), HasSubstr("layer 1"));
  EXPECT_THAT(Refusal(MakeSaved(layers_, MakeConfig({layers_[0]}))), HasSubstr("2 layers"));
  const std::string whole = MakeSaved(layers_);
  EXPECT_THAT(Refusal(whole.substr(0, whole.size() / 2)), HasSubstr("whole tar"));
}

}  // namespace
}  // namespace godwit::images
