#include "functions/template_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"
#include "functions/test_place.h"

namespace godwit::functions {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kWas = 1'000'000'001;
constexpr uint32_t kIs = 1'000'000'002;

class TemplateCacheTest : public testing::Test {
 protected:
  TemplateCacheTest() { fs::create_directory(place_.home / "staging"); }

  // A template of an instance with so much memory, and files in its /tmp.
  Template Make(const std::string& name, size_t memory, bool files = false) {
    const fs::path from = place_.home / ("made-" + name);
    fs::create_directories(from / "criu");
    fs::create_directories(from / "tmp");
    checkpoint::image::Pstree process;
    process.set_pid(100);
    process.set_ppid(0);
    EXPECT_TRUE(checkpoint::WriteImageFile(Made(from / "criu/pstree.img"),
                                           {1, {process.SerializeAsString()}}));
    std::ofstream(from / "criu/pages-1.img") << std::string(memory, 'm');
    if (files) std::ofstream(from / "tmp/file") << "content";
    Template made;
    Function function;
    function.spec = SpecOf(name);
    made.facts.function = std::make_shared<const Function>(function);
    made.facts.uid = kWas;
    made.facts_text = FactsToJson(made.facts);
    const auto stored =
        checkpoint::StoreImage(*place_.blobs, {from / "criu", from / "tmp"}, made.facts_text, {});
    EXPECT_TRUE(stored);
    made.image = stored->id;
    return made;
  }
  static std::string Made(const fs::path& path) {
    std::ofstream{path};
    return path;
  }
  // Where a clone's files go.
  checkpoint::ImagePlaces Staging(const std::string& name) {
    const fs::path to = place_.home / ("staging/" + name);
    fs::create_directories(to / "criu");
    fs::create_directories(to / "tmp");
    return {to / "criu", to / "tmp"};
  }
  static nlink_t Names(const checkpoint::ImagePlaces& places) {
    struct stat st = {};
    EXPECT_EQ(::stat((places.criu + "/pages-1.img").c_str(), &st), 0);
    return st.st_nlink;
  }

  TestPlace place_;
};

TEST_F(TemplateCacheTest, ClonesShareTheMemory) {
  TemplateCache cache(*place_.blobs, place_.home / "staging/.templates", 1 << 20);
  const Template made = Make("f", 1000);
  const auto one = Staging("one");
  const auto two = Staging("two");
  ASSERT_TRUE(cache.Place(made, one, kIs));
  ASSERT_TRUE(cache.Place(made, two, kIs));
  EXPECT_EQ(Names(one), 3U);
  cache.Drop(made.image);
  EXPECT_EQ(Names(one), 2U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(TemplateCacheTest, WhatIsTooLargeComesFromTheImage) {
  TemplateCache cache(*place_.blobs, place_.home / "staging/.templates", 2000);
  const auto places = Staging("one");
  ASSERT_TRUE(cache.Place(Make("f", 4000), places, kIs));
  EXPECT_EQ(Names(places), 1U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(TemplateCacheTest, FilesInTmpAreTheClones) {
  TemplateCache cache(*place_.blobs, place_.home / "staging/.templates", 1 << 20);
  const auto places = Staging("one");
  ASSERT_TRUE(cache.Place(Make("f", 1000, true), places, kIs));
  EXPECT_TRUE(fs::exists(places.temporary + "/file"));
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(TemplateCacheTest, TheLeastLatelyUsedGoFirst) {
  TemplateCache cache(*place_.blobs, place_.home / "staging/.templates", 2500);
  const Template first = Make("first", 1000);
  const Template second = Make("second", 1000);
  const Template third = Make("third", 1000);
  ASSERT_TRUE(cache.Warm(first));
  ASSERT_TRUE(cache.Warm(second));
  ASSERT_TRUE(cache.Place(first, Staging("one"), kIs));
  ASSERT_TRUE(cache.Warm(third));
  EXPECT_LE(cache.bytes(), 2500U);
  EXPECT_TRUE(fs::exists(place_.home / ("staging/.templates/" + first.image.hex)));
  EXPECT_FALSE(fs::exists(place_.home / ("staging/.templates/" + second.image.hex)));
  ASSERT_TRUE(cache.Place(second, Staging("two"), kIs)) << "it is there all the same";
}

TEST_F(TemplateCacheTest, AnotherFunctionsImageIsRefused) {
  TemplateCache cache(*place_.blobs, place_.home / "staging/.templates", 1 << 20);
  Template made = Make("f", 1000);
  made.image = Make("g", 1000).image;
  const auto placed = cache.Place(made, Staging("one"), kIs);
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code(), Code::kCorrupt);
  EXPECT_FALSE(cache.Warm(made));
}

}  // namespace
}  // namespace godwit::functions
