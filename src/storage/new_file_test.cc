#include "storage/new_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

class NewFileTest : public testing::TestWithParam<NewFile::Kind> {
 protected:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  Result<NewFile> Make(std::string_view bytes, const std::string& mark = "1") {
    Result<NewFile> file = NewFile::In(directory_.path(), mark, GetParam());
    EXPECT_TRUE(file && WriteAll(file->get(), bytes));
    return file;
  }

  TestDirectory directory_;
};

TEST_P(NewFileTest, AppearsWholeAndReplacesWhatWasThere) {
  for (const auto* bytes : {"first", "second"}) {
    Result<NewFile> file = Make(bytes);
    ASSERT_TRUE(file->PublishAs(directory_ / "name").has_value());
    EXPECT_EQ(ReadFile(directory_ / "name"), bytes);
  }
  EXPECT_THAT(Names(), UnorderedElementsAre("name"));
  struct stat st = {};
  ASSERT_EQ(::stat((directory_ / "name").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777u, 0600u);
}

TEST_P(NewFileTest, LeavesNothingWhenItIsNotPublished) {
  {
    const Result<NewFile> file = Make("half");
  }
  EXPECT_THAT(Names(), IsEmpty());
  {
    Result<NewFile> file = Make("whole");
    EXPECT_FALSE(file->PublishAs(directory_ / "none/name").has_value());
  }
  EXPECT_THAT(Names(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Kinds, NewFileTest,
                         testing::Values(NewFile::Kind::kUnnamed, NewFile::Kind::kNamed));

}  // namespace
}  // namespace godwit::storage
