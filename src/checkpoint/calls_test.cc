#include "checkpoint/calls.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <functional>
#include <string>

namespace godwit::checkpoint {
namespace {

// A child that sleeps in one call.
class CallsTest : public testing::Test {
 protected:
  CallsTest() {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) != 0) std::abort();
    if (::pipe(pipe_.data()) != 0) std::abort();
  }
  ~CallsTest() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    for (const int fd : {ends_[0], ends_[1], pipe_[0], pipe_[1]}) ::close(fd);
  }

  // Until it sleeps in call `number`.
  void Start(long number, const std::function<void()>& work) {
    child_ = ::fork();
    if (child_ == 0) {
      work();
      ::_exit(0);
    }
    for (int look = 0; look < 5000; ++look) {
      const auto call = ReadCall(Thread());
      if (call && call->number == number) return;
      const timespec nap = {0, 1'000'000};
      ::nanosleep(&nap, nullptr);
    }
    FAIL() << "it does not come to its call";
  }
  std::string Thread() const { return "/proc/" + std::to_string(child_); }
  std::string Refusal() const {
    const Result<> checked = CheckCalls({child_});
    if (checked) return "";
    EXPECT_EQ(checked.error().code(), Code::kUnsupported);
    return checked.error().reason();
  }
  void GiveTimeout(int option) const {
    const timeval timeout = {60, 0};
    ASSERT_EQ(::setsockopt(ends_[0], SOL_SOCKET, option, &timeout, sizeof timeout), 0);
  }

  std::array<int, 2> ends_{};
  std::array<int, 2> pipe_{};
  std::array<char, 1 << 20> much_{};
  int child_ = -1;
};

TEST_F(CallsTest, ACallIsReadWithItsArguments) {
  pollfd one = {pipe_[0], POLLIN, 0};
  Start(SYS_poll, [&] { ::poll(&one, 1, 60'000); });
  const auto call = ReadCall(Thread());
  ASSERT_TRUE(call);
  EXPECT_EQ(call->arguments[0], reinterpret_cast<uint64_t>(&one));
  EXPECT_EQ(call->arguments[2], 60'000u);
  EXPECT_EQ(Refusal(), "");
}

TEST_F(CallsTest, AThreadThatRunsIsInNoCall) { EXPECT_FALSE(ReadCall("/proc/no-such-thread")); }

TEST_F(CallsTest, ASocketsOwnTimeoutIsRefusedByName) {
  GiveTimeout(SO_RCVTIMEO);
  Start(SYS_recvfrom, [&] { ::recv(ends_[0], much_.data(), 1, 0); });
  EXPECT_NE(Refusal().find("SO_RCVTIMEO, on descriptor " + std::to_string(ends_[0])),
            std::string::npos)
      << Refusal();
}

TEST_F(CallsTest, TheTimeoutOfTheOtherDirectionIsNoMatter) {
  GiveTimeout(SO_SNDTIMEO);
  Start(SYS_read, [&] { static_cast<void>(::read(ends_[0], much_.data(), 1)); });
  EXPECT_EQ(Refusal(), "");
}

TEST_F(CallsTest, AWriteThatMayBeHalfDoneIsRefused) {
  Start(SYS_write, [&] { static_cast<void>(::write(pipe_[1], much_.data(), much_.size())); });
  EXPECT_NE(Refusal().find("writing to descriptor"), std::string::npos) << Refusal();
}

TEST_F(CallsTest, AWriteThatIsDoneAsOneIsNot) {
  Start(SYS_write, [&] {
    while (::write(pipe_[1], much_.data(), 512) > 0) {
    }
  });
  EXPECT_EQ(Refusal(), "");
}

TEST_F(CallsTest, AReadOfAllThatIsAskedForIsRefused) {
  Start(SYS_recvfrom, [&] { ::recv(ends_[0], much_.data(), 100, MSG_WAITALL); });
  EXPECT_NE(Refusal().find("reading all"), std::string::npos) << Refusal();
}

TEST_F(CallsTest, ACallThatWasStoppedBeforeIsRefused) {
  Start(SYS_nanosleep, [] {
    const timespec minute = {60, 0};
    ::syscall(SYS_nanosleep, &minute, nullptr);
  });
  EXPECT_EQ(Refusal(), "");
  ::kill(child_, SIGSTOP);
  ::waitpid(child_, nullptr, WUNTRACED);
  ::kill(child_, SIGCONT);
  std::string refusal;
  for (int look = 0; look < 1000 && refusal.empty(); ++look) refusal = Refusal();
  EXPECT_NE(refusal.find("stopped before"), std::string::npos) << refusal;
}

TEST_F(CallsTest, AWaitForWordsMayBeStoppedTwice) {
  Start(SYS_read, [this] {
    char byte = 0;
    static_cast<void>(::read(pipe_[0], &byte, 1));
  });
  EXPECT_TRUE(MayBeStoppedTwice({child_}));
}

TEST_F(CallsTest, AWaitForTimeMayNot) {
  Start(SYS_poll, [this] {
    pollfd wanted = {pipe_[0], POLLIN, 0};
    ::syscall(SYS_poll, &wanted, 1, 60'000);
  });
  EXPECT_FALSE(MayBeStoppedTwice({child_}));
}

}  // namespace
}  // namespace godwit::checkpoint
