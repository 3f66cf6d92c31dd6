#include "checkpoint/descent.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class DescentTest : public testing::Test {
 protected:
  DescentTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-descent-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
  }
  ~DescentTest() override { fs::remove_all(home_); }

  std::string home_;
};

TEST_F(DescentTest, GoesDownAndBackHoweverDeep) {
  auto place = Descent::Begin(home_, "/tmp");
  ASSERT_TRUE(place.has_value());
  const std::string name(200, 'n');
  constexpr size_t kDepth = 300;  // 60,000 bytes of path
  for (size_t i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(place->fd(), name.c_str(), 0700), 0);
    ASSERT_TRUE(place->Enter(name).has_value()) << i;
  }
  EXPECT_LT(place->Where("file").size(), 1000U);
  EXPECT_THAT(place->Where("file"), HasSubstr("/tmp/..."));
  for (size_t i = kDepth; i > 0; --i) {
    EXPECT_EQ(place->depth(), i);
    ASSERT_TRUE(place->Leave().has_value()) << i;
  }
  EXPECT_THAT(*place->Names(), ElementsAre(name));
  EmptyDirectory(home_);
  EXPECT_TRUE(fs::is_empty(home_));
}

TEST_F(DescentTest, ALinkIsNoWayOut) {
  fs::create_directory(home_ + "/inside");
  fs::create_directory(home_ + "/outside");
  std::ofstream(home_ + "/outside/kept") << "kept";
  fs::create_symlink(home_ + "/outside", home_ + "/inside/link");
  fs::create_symlink("/etc/passwd", home_ + "/inside/file");
  auto place = Descent::Begin(home_ + "/inside", "/tmp");
  ASSERT_TRUE(place.has_value());
  EXPECT_FALSE(place->Enter("link").has_value());
  EXPECT_FALSE(place->Enter("..").has_value());
  EXPECT_FALSE(place->Enter("link/..").has_value());
  EXPECT_FALSE(place->Open("file", O_RDONLY).has_value());
  EXPECT_FALSE(place->Open("/etc/passwd", O_RDONLY).has_value());
  EXPECT_THAT(place->Open("file", O_RDONLY).error().ToString(), HasSubstr("'/tmp/file'"));
  EXPECT_FALSE(Descent::Begin(home_ + "/inside/link", "/tmp").has_value());
  EmptyDirectory(home_ + "/inside");
  EXPECT_TRUE(fs::is_empty(home_ + "/inside"));
  EXPECT_TRUE(fs::exists(home_ + "/outside/kept"));
}

TEST_F(DescentTest, NoticesThatItWasMoved) {
  auto place = Descent::Begin(home_, "/tmp");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(::mkdirat(place->fd(), "d", 0700), 0);
    ASSERT_TRUE(place->Enter("d").has_value());
  }
  fs::rename(home_ + "/d/d", home_ + "/moved");
  Result<> left;
  while (left && place->depth() > 0) left = place->Leave();
  ASSERT_FALSE(left.has_value());
  EXPECT_EQ(left.error().code(), Code::kBusy);
}

TEST_F(DescentTest, NamesAreBytesAndPrintable) {
  std::ofstream(home_ + "/caf\xe9\n") << "1";
  const auto place = Descent::Begin(home_, "/tmp");
  EXPECT_THAT(*place->Names(), ElementsAre("caf\xe9\n"));
  EXPECT_EQ(place->Where("caf\xe9\n"), "/tmp/caf\\xe9\\x0a");
}

}  // namespace
}  // namespace godwit::checkpoint
