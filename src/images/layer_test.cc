#include "images/layer.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "images/test_tar.h"
#include "storage/test_directory.h"

namespace godwit::images {
namespace {

namespace fs = std::filesystem;
using storage::ReadFile;
using storage::WriteFile;
using testing::HasSubstr;

class LayerTest : public testing::Test {
 protected:
  LayerTest() { fs::create_directory(root_); }

  Result<> Lay(const std::vector<TarEntry>& entries) { return LayTar(MakeTar(entries)); }
  Result<> LayTar(const std::string& tar) {
    WriteFile(home_ / "layer", tar);
    return ApplyLayer(home_ / "layer", DigestOf(tar), tree_, allowance_);
  }
  std::string Refusal(const std::vector<TarEntry>& entries) {
    const auto laid = Lay(entries);
    return laid ? "" : laid.error().ToString();
  }
  bool Has(const std::string& path) { return fs::exists(fs::symlink_status(root_ + "/" + path)); }
  unsigned ModeOf(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(::lstat((root_ + "/" + path).c_str(), &st), 0);
    return st.st_mode & 07777;
  }

  storage::TestDirectory home_;
  std::string root_ = home_ / "root";
  RootTree tree_ = [this] {
    fs::create_directory(root_);
    return RootTree::Open(root_).value();
  }();
  Allowance allowance_{{.bytes = 100'000, .entries = 100, .path_bytes = 200}};
};

TEST_F(LayerTest, LaysFilesDirectoriesAndLinks) {
  ASSERT_TRUE(Lay({{"./etc/", "", '5', 0755},
                   {"./etc/motd", "hello", '0', 0640},
                   {"usr/bin/tool", "#!", '0', 0755},
                   {"usr/bin/same", "", '1', 0755, "usr/bin/tool"},
                   {"bin", "", '2', 0777, "usr/bin"},
                   {"etc/abs", "", '2', 0777, "/etc/motd"}}));
  EXPECT_EQ(ReadFile(root_ + "/etc/motd"), "hello");
  EXPECT_EQ(ModeOf("etc/motd"), 0640U);
  EXPECT_EQ(ReadFile(root_ + "/usr/bin/same"), "#!");
  EXPECT_EQ(fs::read_symlink(root_ + "/bin"), "usr/bin");
  EXPECT_EQ(fs::read_symlink(root_ + "/etc/abs"), "/etc/motd");
}

TEST_F(LayerTest, TakesAwayWhatLowerLayersHave) {
  ASSERT_TRUE(Lay({{"a/one", "1"}, {"a/two", "2"}, {"b/deep/three", "3"}, {"c", "4"}}));
  ASSERT_TRUE(Lay({{"a/.wh.one", ""},
                   {"b/deep/new", "n"},
                   {"b/.wh..wh..opq", ""},
                   {"b/fresh", "f"},
                   {".wh.c", ""},
                   {".wh.never", ""},
                   {"none/.wh.never", ""}}));
  EXPECT_FALSE(Has("a/one"));
  EXPECT_TRUE(Has("a/two"));
  EXPECT_TRUE(Has("b/deep/new"));
  EXPECT_TRUE(Has("b/fresh"));
  EXPECT_FALSE(Has("c"));
  EXPECT_FALSE(Has("none"));
}

TEST_F(LayerTest, OneKindReplacesTheOther) {
  ASSERT_TRUE(Lay({{"x/file", "1"}, {"y", "2"}, {"z", "", '2', 0777, "x"}}));
  ASSERT_TRUE(Lay({{"x", "now a file"}, {"y/", "", '5', 0700}, {"z/", "", '5', 0755}}));
  EXPECT_EQ(ReadFile(root_ + "/x"), "now a file");
  EXPECT_TRUE(fs::is_directory(root_ + "/y"));
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(root_ + "/z")));
}

TEST_F(LayerTest, FollowsLinksInsideTheRootOnly) {
  fs::create_directory(home_ / "outside");
  const std::string outside = home_ / "outside";
  ASSERT_TRUE(Lay({{"usr/lib/", "", '5', 0755},
                   {"lib", "", '2', 0777, "/usr/lib"},
                   {"out", "", '2', 0777, outside},
                   {"up", "", '2', 0777, "../../../../.."}}));
  ASSERT_TRUE(Lay({{"lib/libc.so", "c"}, {"up/here", "h"}, {"out/file", "o"}}));
  EXPECT_EQ(ReadFile(root_ + "/usr/lib/libc.so"), "c");
  EXPECT_EQ(ReadFile(root_ + "/here"), "h");
  EXPECT_TRUE(fs::is_empty(outside));
  ASSERT_TRUE(Lay({{"out/.wh..wh..opq", ""}, {"up/.wh.here", ""}}));
  EXPECT_FALSE(Has("here"));
}

TEST_F(LayerTest, GivesNobodyMoreThanAnUnprivilegedUserMayHave) {
  ASSERT_TRUE(Lay({{"su", "x", '0', 04755},
                   {"sg", "x", '0', 02755},
                   {"dev/null", "", '3', 0666},
                   {"pipe", "", '6', 0644},
                   {"tmp/", "", '5', 01777}}));
  EXPECT_EQ(ModeOf("su"), 0755U);
  EXPECT_EQ(ModeOf("sg"), 0755U);
  EXPECT_EQ(ModeOf("tmp"), 0777U);
  EXPECT_FALSE(Has("dev/null"));
  EXPECT_FALSE(Has("pipe"));
}

TEST_F(LayerTest, RefusesWhatReachesOutOrIsTooMuch) {
  EXPECT_THAT(Refusal({{"a/../../x", ""}}), HasSubstr("'..'"));
  EXPECT_THAT(Refusal({{"x", "", '1', 0644, "../../etc/passwd"}}), HasSubstr("'..'"));
  EXPECT_THAT(Refusal({{"x", "", '1', 0644, "/nobody"}}), HasSubstr("hard link"));
  EXPECT_THAT(Refusal({{"x", std::string(200'000, 'x')}}), HasSubstr("100000 bytes"));
  EXPECT_THAT(Refusal({{"f", "1"}, {"f/below", "2"}}), HasSubstr("is no directory"));
  EXPECT_THAT(Refusal({{"a/.wh.", ""}}), HasSubstr("takes nothing away"));
  EXPECT_THAT(Refusal(std::vector<TarEntry>(200, {"x", ""})), HasSubstr("one too many"));
}

TEST_F(LayerTest, RefusesWhatIsNotWhatItsDigestSays) {
  const std::string tar = MakeTar({{"x", "1"}});
  WriteFile(home_ / "layer", tar);
  const auto laid = ApplyLayer(home_ / "layer", DigestOf("another"), tree_, allowance_);
  ASSERT_FALSE(laid);
  EXPECT_EQ(laid.error().code(), Code::kCorrupt);
  EXPECT_FALSE(LayTar(tar.substr(0, 700)));
  EXPECT_FALSE(LayTar("nonsense"));
}

}  // namespace
}  // namespace godwit::images
