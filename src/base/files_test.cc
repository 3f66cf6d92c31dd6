#include "base/files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace godwit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "godwit-files-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~FilesTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  std::unique_ptr<Files> files_ = DiskFiles();
};

TEST_F(FilesTest, WritesReplaceWholeFilesAndAreReadBack) {
  const std::string path = directory_ + "/a";
  ASSERT_TRUE(files_->Write(path, "one", Durability::kDurable).has_value());
  ASSERT_TRUE(files_->Write(path, "two, longer", Durability::kCached).has_value());
  ASSERT_TRUE(files_->Sync(path).has_value());
  EXPECT_EQ(*files_->Read(path, 100), "two, longer");
  EXPECT_EQ(*files_->Size(path), 11u);
  EXPECT_EQ(files_->Read(path, 3).error().code(), Code::kTooLarge);
  EXPECT_THAT(*files_->List(directory_), ElementsAre("a")) << "no part file is left";
  struct stat st = {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777u, 0600u);
}

TEST_F(FilesTest, ErrorsNameThePath) {
  EXPECT_EQ(files_->Read(directory_ + "/none", 1).error().code(), Code::kNotFound);
  EXPECT_THAT(*files_->List(directory_ + "/none"), IsEmpty());
  ASSERT_TRUE(files_->MakeDirectory(directory_ + "/x/y/z").has_value());
  ASSERT_TRUE(files_->MakeDirectory(directory_ + "/x/y/z").has_value());
  EXPECT_TRUE(files_->Write(directory_ + "/x/y/z/f", "1", Durability::kCached).has_value());
  EXPECT_EQ(files_->MakeDirectory(directory_ + "/x/y/z/f/g").error().code(), Code::kInvalid);
  EXPECT_TRUE(files_->Remove(directory_ + "/x/y/z/f").has_value());
  EXPECT_EQ(files_->Remove(directory_ + "/x/y/z/f").error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace godwit
