#include "checkpoint/obstacles.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"

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

TEST(FoundByLookingTest, AnMptcpSocketIsNamedWithTheFix) {
  const auto found = [] {
    const auto all = FindObstacles({::getpid()});
    return std::ranges::find(all, "mptcp", &Obstacle::kind) != all.end();
  };
  const Fd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  EXPECT_FALSE(found());
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));
  if (!socket) GTEST_SKIP() << "this kernel has no MPTCP";
  EXPECT_TRUE(found());
  const auto all = WhyRefused("CRIU cannot take it: something", {::getpid()});
  ASSERT_GE(all.size(), 2);
  EXPECT_EQ(all[0].Text(), "CRIU cannot take it: something");
  EXPECT_EQ(all[1].kind, "mptcp");
  EXPECT_EQ(all[1].what, fmt::format("descriptor {} of process {} (godwit_checkpoi) is an MPTCP "
                                     "socket",
                                     socket.get(), ::getpid()));
  EXPECT_NE(all[1].fix.find("GODEBUG=multipathtcp=0"), std::string::npos);
  EXPECT_EQ(WhyRefused(all[1].Text(), {::getpid()}).front(), all[1]) << "it is told once, first";
}

TEST(FoundByLookingTest, ASocketThatCriuSpeaksOfIsNamedWithItsPeer) {
  std::string directory = "/tmp/godwit-obstacles-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/bus";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const Fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), generic, sizeof address), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), generic, sizeof address), 0);
  struct stat about = {};
  ASSERT_EQ(::fstat(client.get(), &about), 0);
  const auto all =
      WhyRefused(fmt::format("CRIU cannot take it: External socket {:#x} is used", about.st_ino),
                 {::getpid()});
  EXPECT_EQ(all.front().kind, "unix_socket");
  EXPECT_NE(all.front().what.find(fmt::format("descriptor {} of process", client.get())),
            std::string::npos);
  EXPECT_NE(all.front().what.find(" to " + path + ": CRIU cannot take it"), std::string::npos)
      << all.front().what;
  EXPECT_NE(all.front().fix, "");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace godwit::checkpoint
