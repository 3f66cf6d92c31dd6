#include "checkpoint/obstacles.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

namespace godwit::checkpoint {
namespace {

enum class Who : uint8_t { kParent, kChild, kChildAnew };

void Lock(int fd) {
  struct flock all = {};
  all.l_type = F_WRLCK;
  all.l_whence = SEEK_SET;
  if (::fcntl(fd, F_SETLK, &all) != 0) std::abort();
}

// A process with a child, one of which has locked a file that the first has opened.
class ObstaclesTest : public testing::Test {
 protected:
  ObstaclesTest() {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0 || ::pipe(told_.data()) != 0) std::abort();
    ::close(fd);
  }
  ~ObstaclesTest() override {
    for (const int pid : {child_, parent_}) {
      if (pid > 0) ::kill(pid, SIGKILL);
    }
    if (parent_ > 0) ::waitpid(parent_, nullptr, 0);
    for (const int fd : told_) ::close(fd);
    ::unlink(path_.c_str());
  }

  void Start(Who who) {
    parent_ = ::fork();
    if (parent_ == 0) {
      const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
      if (who == Who::kParent) Lock(fd);
      if (::fork() == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (who == Who::kChild) Lock(fd);
        if (who == Who::kChildAnew) Lock(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
        const int self = ::getpid();
        if (::write(told_[1], &self, sizeof self) != sizeof self) std::abort();
      }
      for (;;) ::pause();
    }
    ASSERT_EQ(::read(told_[0], &child_, sizeof child_), ssize_t{sizeof child_});
  }
  // Whatever else there is on this machine.
  std::string Refusal(const std::vector<int>& pids) const {
    const Result<> checked = CheckRunning(pids);
    return checked ? "" : checked.error().reason();
  }
  bool RefusedForItsLock() const {
    return Refusal({parent_, child_}).find("has a locked file that process") != std::string::npos;
  }

  std::string path_ = "/tmp/godwit-obstacles-XXXXXX";
  std::array<int, 2> told_{};
  int parent_ = -1;
  int child_ = -1;
};

TEST_F(ObstaclesTest, AChildsLockOnItsParentsFileIsRefused) {
  Start(Who::kChild);
  EXPECT_TRUE(RefusedForItsLock());
}

TEST_F(ObstaclesTest, AChildsLockOnAFileThatItHasOpenedIsNot) {
  Start(Who::kChildAnew);
  EXPECT_FALSE(RefusedForItsLock());
}

TEST_F(ObstaclesTest, TheFirstProcessKeepsItsLock) {
  Start(Who::kParent);
  EXPECT_FALSE(RefusedForItsLock());
}

TEST_F(ObstaclesTest, WhoIsNotBelowTheFirstIsRefusedBeforeAnybodyIsStopped) {
  Start(Who::kParent);
  EXPECT_EQ(Refusal({parent_, child_}).find("outlived"), std::string::npos);
  const std::vector<int> without = {::getpid(), child_};
  EXPECT_NE(Refusal(without).find("has outlived the one that started it"), std::string::npos);
}

}  // namespace
}  // namespace godwit::checkpoint
