#include "sandbox/cgroup.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace godwit::sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A directory tree that stands for a mounted hierarchy: the logic of paths and files, without the
// kernel's.
class CgroupTest : public testing::Test {
 protected:
  CgroupTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-cgroup-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~CgroupTest() override { fs::remove_all(root_); }
  void Touch(const std::string& path, const std::string& text = "") {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  std::string root_;
};

TEST_F(CgroupTest, FindsTheUnifiedHierarchyBelowItsOwnGroupAndMovesOutOfTheWay) {
  const std::string own = root_ + "/system.slice/godwit.service";
  for (const std::string& directory : {own, own + "/node", own + "/store", own + "/store/i-1"}) {
    Touch(directory + "/cgroup.subtree_control");
    for (const auto* file : {"/cgroup.procs", "/memory.max", "/cpu.max", "/pids.max",
                             "/memory.events", "/memory.current", "/cpu.weight"}) {
      Touch(directory + file);
    }
  }
  const auto tree = CgroupTree::Open("store", "30 1 0:26 / " + root_ + " rw - cgroup2 cgroup2 rw\n",
                                     "0::/system.slice/godwit.service\n");
  ASSERT_TRUE(tree.has_value()) << tree.error().ToString();
  EXPECT_TRUE(tree->unified());
  EXPECT_EQ(Slurp(own + "/node/cgroup.procs"), "0");
  EXPECT_EQ(Slurp(own + "/store/cgroup.subtree_control"), "+memory +cpu +pids");
  EXPECT_EQ(Slurp(own + "/store/cpu.weight"), "800");
  EXPECT_THAT(tree->List(), testing::ElementsAre("i-1"));
  const Cgroup group = *tree->Make("i-1");
  ASSERT_TRUE(group.Apply({.memory_bytes = 64 << 20, .cpus = 0.5, .pids = 99}).has_value());
  EXPECT_EQ(Slurp(own + "/store/i-1/memory.max"), "67108864");
  EXPECT_EQ(Slurp(own + "/store/i-1/cpu.max"), "50000 100000");
  EXPECT_EQ(Slurp(own + "/store/i-1/pids.max"), "99");
  Touch(own + "/store/i-1/memory.events", "low 0\noom 3\noom_kill 2\n");
  EXPECT_EQ(group.OomKills(), 2u);
}

TEST_F(CgroupTest, AMachineWithoutControlGroupsIsToldWhatToDo) {
  const auto tree = CgroupTree::Open("store", "1 1 0:1 / / rw - ext4 /dev/sda rw\n", "");
  EXPECT_EQ(tree.error().code(), Code::kUnsupported);
  EXPECT_THAT(tree.error().ToString(), HasSubstr("mount cgroup2"));
}

TEST_F(CgroupTest, AMissingControllerIsNamed) {
  fs::create_directories(root_ + "/memory");
  const auto tree = CgroupTree::Open(
      "store", "1 1 0:1 / " + root_ + "/memory rw - cgroup cgroup rw,memory\n", "3:memory:/\n");
  EXPECT_THAT(tree.error().ToString(), HasSubstr("have no 'cpu'"));
}

}  // namespace
}  // namespace godwit::sandbox
