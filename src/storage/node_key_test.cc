#include "storage/node_key.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::HasSubstr;

class NodeKeyTest : public testing::Test {
 protected:
  Result<NodeKey> Load() { return LoadNodeKey(*files_, directory_.path(), entropy_); }

  TestDirectory directory_;
  const std::string path_ = directory_ / "node.key";
  std::unique_ptr<Files> files_ = DiskFiles();
  SystemEntropy entropy_;
};

TEST_F(NodeKeyTest, IsMadeOnceAndThenStays) {
  const auto made = Load();
  ASSERT_TRUE(made.has_value());
  struct stat st = {};
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777u, 0600u);
  EXPECT_EQ(st.st_size, 32);
  const auto again = Load();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(made->Derive("x"), again->Derive("x"));
  EXPECT_NE(made->Derive("x"), made->Derive("y")) << "each purpose has its own";
  TestDirectory other;
  EXPECT_NE(LoadNodeKey(*files_, other.path(), entropy_)->Derive("x"), made->Derive("x"));
}

TEST_F(NodeKeyTest, RefusesWhatItCannotTrust) {
  ASSERT_TRUE(Load().has_value());
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  auto refused = Load();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kDenied);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("chmod 600 " + path_));
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  for (const std::string& bytes : {std::string(), std::string(31, 'k'), std::string(33, 'k')}) {
    WriteFile(path_, bytes);
    refused = Load();
    ASSERT_FALSE(refused.has_value()) << bytes.size();
    EXPECT_EQ(refused.error().code(), Code::kInvalid);
    EXPECT_THAT(refused.error().ToString(), HasSubstr(path_));
    EXPECT_EQ(ReadFile(path_), bytes) << "a key is never overwritten";
  }
}

TEST_F(NodeKeyTest, OneThatHasGoneIsNotReplaced) {
  const auto refused = LoadNodeKey(*files_, directory_.path(), entropy_, "2 functions");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kNotFound);
  EXPECT_EQ(
      refused.error().ToString(),
      "cannot use the node key '" + path_ +
          "': it is not there, and the store holds 2 functions that need it (put it back from "
          "a backup; or give up what is in the store and remove '" +
          directory_.path() + "')");
  EXPECT_FALSE(files_->Size(path_).has_value());
  ASSERT_TRUE(Load().has_value());
  EXPECT_TRUE(LoadNodeKey(*files_, directory_.path(), entropy_, "2 functions").has_value());
}

}  // namespace
}  // namespace godwit::storage
