#include "functions/image_store.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "functions/test_place.h"
#include "images/test_tar.h"

namespace godwit::functions {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using testing::HasSubstr;

class ImageStoreTest : public testing::Test {
 protected:
  ImageStoreTest() {
    place_.workplace.directories.images = place_.home / "images";
    fs::create_directory(place_.home / "images");
  }

  Result<images::Image> Send(const std::string& tar, size_t piece) {
    const std::string upload = store_.Begin().value();
    for (size_t at = 0; at < tar.size(); at += piece) {
      const auto have = place_.RunOne(store_.Add(upload, at, tar.substr(at, piece)));
      EXPECT_EQ(have.value(), std::min(tar.size(), at + piece));
    }
    return place_.RunOne(store_.Import(upload));
  }
  asio::awaitable<bool> Drop(CodeStore::Use use) {
    co_await store_.DropUnused([use](const std::string&) { return use; });
    co_return true;
  }
  std::string RootOf(const images::Image& image) {
    return place_.home / ("images/" + ImageStore::CodeIdOf(image.id));
  }

  const std::string tar_ = images::MakeSaved({images::MakeTar({{"start", "#!", '0', 0755}})});
  TestPlace place_;
  ImageStore store_{place_.workplace};
};

TEST_F(ImageStoreTest, TakesAnImagePieceByPiece) {
  const auto image = Send(tar_, 1000);
  ASSERT_TRUE(image) << image.error().ToString();
  EXPECT_TRUE(fs::exists(RootOf(*image) + "/start"));
  EXPECT_EQ(store_.Find(image->id)->config.entrypoint.front(), "/start");
  EXPECT_TRUE(store_.Check(ImageStore::CodeIdOf(image->id)));
  EXPECT_TRUE(Send(tar_, 100'000)) << "the same once more";
  size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(place_.home / "images")) {
    EXPECT_EQ(entry.path(), RootOf(*image));
    ++entries;
  }
  EXPECT_EQ(entries, 1U);
}

TEST_F(ImageStoreTest, KeepsWhatIsUsedOrNewAndDropsTheRest) {
  const auto image = Send(tar_, 100'000).value();
  place_.RunOne(Drop(CodeStore::Use::kNone));
  EXPECT_TRUE(fs::exists(RootOf(image))) << "somebody is about to deploy it";
  place_.RunOne(Drop(CodeStore::Use::kFunctions));
  EXPECT_FALSE(store_.doubts());
  store_.Doubt(ImageStore::CodeIdOf(image.id));
  place_.RunOne(Drop(CodeStore::Use::kInstances));
  EXPECT_TRUE(fs::exists(RootOf(image)));
  place_.RunOne(Drop(CodeStore::Use::kNone));
  EXPECT_FALSE(fs::exists(RootOf(image)));
  EXPECT_EQ(store_.Find(image.id).error().code(), Code::kInvalid);
  EXPECT_EQ(store_.Check(ImageStore::CodeIdOf(image.id)).error().code(), Code::kNotFound);
}

TEST_F(ImageStoreTest, RefusesWhatIsOutOfOrderAndLeavesNothing) {
  const std::string upload = store_.Begin().value();
  EXPECT_EQ(place_.RunOne(store_.Add(upload, 5, "x")).error().code(), Code::kConflict);
  EXPECT_EQ(place_.RunOne(store_.Add("upload-x", 0, "x")).error().code(), Code::kNotFound);
  EXPECT_EQ(place_.RunOne(store_.Add(upload, 0, "no image")).value(), 8U);
  EXPECT_THAT(place_.RunOne(store_.Import(upload)).error().ToString(), HasSubstr("tar"));
  EXPECT_EQ(place_.RunOne(store_.Import(upload)).error().code(), Code::kNotFound);
  EXPECT_TRUE(fs::is_empty(place_.home / "images"));
  for (size_t i = 0; i < ImageStore::kMaxUploads; ++i) EXPECT_TRUE(store_.Begin());
  EXPECT_EQ(store_.Begin().error().code(), Code::kBusy);
}

}  // namespace
}  // namespace godwit::functions
