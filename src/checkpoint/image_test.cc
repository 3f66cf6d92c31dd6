#include "checkpoint/image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

class ImageTest : public testing::Test {
 protected:
  ImageTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-image-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    for (const auto* name : {"/criu", "/tmp", "/criu2", "/tmp2"})
      fs::create_directory(home_ + name);
    const auto files = DiskFiles();
    blobs_ = *storage::Blobs::Open(home_ + "/store", *storage::LoadNodeKey(*files, home_, entropy_),
                                   entropy_);
  }
  ~ImageTest() override { fs::remove_all(home_); }

  void Put(const std::string& path, const std::string& text) {
    std::ofstream(home_ + path) << text;
  }
  std::string Get(const std::string& path) {
    std::ifstream in(home_ + path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  ImagePlaces From() const { return {home_ + "/criu", home_ + "/tmp"}; }
  ImagePlaces To() const { return {home_ + "/criu2", home_ + "/tmp2"}; }

  std::string home_;
  SystemEntropy entropy_;
  std::unique_ptr<storage::Blobs> blobs_;
};

TEST_F(ImageTest, BringsBackWhatWasStoredWithModesLinksAndEmptyFiles) {
  const std::string pages(3 << 20, 'p');
  Put("/criu/pages-1.img", pages);
  Put("/criu/core-100.img", "core");
  Put("/criu/empty.img", "");
  Put("/criu/criu.log", "is left out");
  fs::create_directory(home_ + "/tmp/cache");
  Put("/tmp/cache/state", "42");
  Put("/tmp/none", "");
  fs::create_symlink("cache/state", home_ + "/tmp/link");
  ::chmod((home_ + "/tmp/cache/state").c_str(), 0640);
  const auto stored =
      StoreImage(*blobs_, From(), R"({"facts":1})", {Durability::kCached, storage::Packing::kFast});
  ASSERT_TRUE(stored.has_value()) << stored.error().ToString();
  EXPECT_LT(stored->bytes, 1u << 20);
  const auto facts = FetchImage(*blobs_, stored->id, To(), ::getuid());
  ASSERT_TRUE(facts.has_value()) << facts.error().ToString();
  EXPECT_EQ(*facts, R"({"facts":1})");
  EXPECT_EQ(Get("/criu2/pages-1.img"), pages);
  EXPECT_EQ(Get("/criu2/core-100.img"), "core");
  EXPECT_TRUE(fs::exists(home_ + "/criu2/empty.img"));
  EXPECT_FALSE(fs::exists(home_ + "/criu2/criu.log"));
  EXPECT_EQ(Get("/tmp2/link"), "42");
  EXPECT_TRUE(fs::exists(home_ + "/tmp2/none"));
  struct stat st = {};
  ASSERT_EQ(::stat((home_ + "/tmp2/cache/state").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0640u);
}

TEST_F(ImageTest, ATamperedImageIsRefusedByName) {
  Put("/criu/pages-1.img", std::string(100'000, 'x'));
  const auto stored =
      StoreImage(*blobs_, From(), "{}", {Durability::kCached, storage::Packing::kNone});
  ASSERT_TRUE(stored.has_value());
  std::string path;
  for (const auto& entry : fs::recursive_directory_iterator(home_ + "/store")) {
    if (entry.is_regular_file() && entry.file_size() > 90'000) path = entry.path();
  }
  ASSERT_FALSE(path.empty());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(50'000);
  file.put('!');
  file.close();
  const auto facts = FetchImage(*blobs_, stored->id, To(), ::getuid());
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().code(), Code::kCorrupt);
  EXPECT_THAT(facts.error().ToString(), testing::HasSubstr(stored->id.hex));
}

}  // namespace
}  // namespace godwit::checkpoint
