#include "checkpoint/ready.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"
#include "checkpoint/inside.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

// The images of one thread, in a process whose descriptors and memory are this one's.
class ReadyTest : public testing::Test {
 protected:
  ReadyTest() {
    if (::pipe(pipe_.data()) != 0) std::abort();
    std::string pattern = fs::temp_directory_path() / "godwit-ready-XXXXXX";
    images_ = ::mkdtemp(pattern.data());
    image::Pstree process;
    process.set_pid(100);
    process.set_ppid(0);
    process.add_threads(100);
    Write("pstree.img", process.SerializeAsString());
  }
  ~ReadyTest() override {
    fs::remove_all(images_);
    for (const int fd : pipe_) ::close(fd);
  }
  void Write(const std::string& name, std::string entry) {
    const std::string path = images_ + "/" + name;
    ASSERT_TRUE(Open(path, O_WRONLY | O_CREAT, 0600).has_value());
    ASSERT_TRUE(WriteImageFile(path, {1, {std::move(entry)}}).has_value());
  }
  void Come() { ASSERT_EQ(::write(pipe_[1], "x", 1), 1); }

  template <typename First>
  std::optional<Ready> Find(long number, First first, uint64_t second = 0, int64_t answer = 0) {
    image::Core core;
    core.set_mtype(1);
    auto& registers = *core.mutable_thread_info()->mutable_gpregs();
    for (const auto set :
         {&image::Registers::set_r10, &image::Registers::set_r9, &image::Registers::set_r8,
          &image::Registers::set_dx, &image::Registers::set_ip, &image::Registers::set_sp}) {
      (registers.*set)(0);
    }
    registers.set_orig_ax(static_cast<uint64_t>(number));
    registers.set_ax(static_cast<uint64_t>(answer == 0 ? number : answer));
    registers.set_di(uint64_t(first));
    registers.set_si(second);
    Write("core-100.img", core.SerializeAsString());
    const auto peek = [](int, uint64_t address, size_t size) {
      return PeekProcess(::getpid(), address, size);
    };
    auto found = FindReady(images_, {{100, ::getpid()}}, peek, come_);
    EXPECT_TRUE(found.has_value());
    return found ? *std::move(found) : std::nullopt;
  }

  std::array<int, 2> pipe_{};
  std::string images_, come_;
};

TEST_F(ReadyTest, WhatHasComeOtherwiseIsTold) {
  come_ = "a packet has come";
  const auto found = Find(SYS_read, pipe_[0]);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->what, "a packet has come");
  EXPECT_TRUE(found->can_go_on);
  EXPECT_FALSE(Find(SYS_nanosleep, 0, 0, -EINTR)->can_go_on);
}

TEST_F(ReadyTest, AReaderIsReadyWhenThereIsSomethingToRead) {
  EXPECT_FALSE(Find(SYS_read, pipe_[0]));
  Come();
  const auto found = Find(SYS_read, pipe_[0]);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->what,
            "descriptor " + std::to_string(pipe_[0]) + " of process 100 has something to read");
  EXPECT_TRUE(found->can_go_on);
}

TEST_F(ReadyTest, AThreadThatHasItsAnswerWaitsForNothing) {
  Come();
  EXPECT_FALSE(Find(SYS_read, pipe_[0], 0, 1));
}

TEST_F(ReadyTest, APollerIsReadyForWhatItAskedFor) {
  std::array<pollfd, 2> asked = {{{-1, POLLIN, 0}, {pipe_[0], POLLPRI, 0}}};
  Come();
  EXPECT_FALSE(Find(SYS_poll, asked.data(), asked.size()));
  asked[1].events = POLLIN;
  EXPECT_TRUE(Find(SYS_poll, asked.data(), asked.size()));
}

TEST_F(ReadyTest, ASelectorIsReadyForWhatIsInItsSets) {
  fd_set set;
  FD_ZERO(&set);
  Come();
  EXPECT_FALSE(Find(SYS_select, pipe_[0] + 1, reinterpret_cast<uint64_t>(&set)));
  FD_SET(pipe_[0], &set);
  EXPECT_TRUE(Find(SYS_select, pipe_[0] + 1, reinterpret_cast<uint64_t>(&set)));
}

TEST_F(ReadyTest, ACallThatBeingStoppedHasEndedCannotGoOn) {
  const Fd poller(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event = {EPOLLIN, {}};
  ASSERT_EQ(::epoll_ctl(poller.get(), EPOLL_CTL_ADD, pipe_[0], &event), 0);
  EXPECT_FALSE(Find(SYS_epoll_wait, poller.get(), 0, -EINTR));
  Come();
  const auto found = Find(SYS_epoll_wait, poller.get(), 0, -EINTR);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->can_go_on);
}

TEST_F(ReadyTest, WhatCannotBeLookedAtIsNotReady) {
  EXPECT_FALSE(Find(SYS_read, 9999));
  EXPECT_FALSE(Find(SYS_poll, uint64_t{16}, 1));
}

}  // namespace
}  // namespace godwit::checkpoint
