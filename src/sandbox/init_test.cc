// Process 1 of a sandbox, spoken to without a Sandbox: what it does when the node dies.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/fd.h"
#include "sandbox/init/protocol.h"
#include "sandbox/launch.h"
#include "sandbox/seccomp.h"

namespace godwit::sandbox {
namespace {

constexpr int kPatience = 20'000;  // milliseconds

bool Await(int fd) {
  pollfd watched = {fd, POLLIN, 0};
  return ::poll(&watched, 1, kPatience) > 0;
}

// Whatever comes next; the host's pid with it, if there is one.
Event Receive(const Fd& control, int* outside = nullptr) {
  Event event;
  iovec part = {&event, sizeof event};
  alignas(cmsghdr) char space[256];
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = space;
  header.msg_controllen = sizeof space;
  if (!Await(control.get()) || ::recvmsg(control.get(), &header, MSG_CMSG_CLOEXEC) < 0)
    return event;
  for (cmsghdr* extra = CMSG_FIRSTHDR(&header); extra != nullptr;
       extra = CMSG_NXTHDR(&header, extra)) {
    ucred credentials = {};
    if (extra->cmsg_type != SCM_CREDENTIALS) continue;
    std::memcpy(&credentials, CMSG_DATA(extra), sizeof credentials);
    if (outside != nullptr) *outside = credentials.pid;
  }
  return event;
}

void Send(const Fd& control, Request request, const std::string& strings, std::vector<int> fds) {
  request.fd_count = static_cast<uint32_t>(fds.size());
  std::string body(reinterpret_cast<const char*>(&request), sizeof request);
  body += strings;
  iovec part = {body.data(), body.size()};
  alignas(cmsghdr) char space[256] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = space;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* extra = CMSG_FIRSTHDR(&header);
    extra->cmsg_level = SOL_SOCKET;
    extra->cmsg_type = SCM_RIGHTS;
    extra->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(extra), fds.data(), sizeof(int) * fds.size());
  }
  ASSERT_GT(::sendmsg(control.get(), &header, MSG_NOSIGNAL), 0);
}

class InitTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "sandboxes need root";
    const Fd program = *LoadInitProgram();
    const Fd filter = *BuildFilter();
    const Nursery nursery = *Nursery::Make();
    auto init = LaunchInit(program.get(), filter.get(), nursery, {});
    ASSERT_TRUE(init.has_value());
    init_ = *std::move(init);
    ASSERT_EQ(Receive(init_.control).what, What::kReady);
  }
  void TearDown() override {
    init_.control = Fd();
    if (init_.pid > 0) ::waitpid(init_.pid, nullptr, 0);
  }

  int StartSleeper() {
    const Fd program(::open("/bin/sleep", O_RDONLY | O_CLOEXEC));
    const Fd channel(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    Request request;
    request.op = Op::kStartDriver;
    request.argc = 2;
    const char strings[] =
        "/\0sleep\0"
        "1000";
    Send(init_.control, request, {strings, sizeof strings}, {program.get(), channel.get()});
    int outside = 0;
    EXPECT_EQ(Receive(init_.control, &outside).what, What::kStarted);
    return outside;
  }

  Init init_;
};

// A copy of a userfaultfd must not be closed while somebody could read the zeros that follow.
TEST_F(InitTest, WhatItHoldsIsClosedWhenEverybodyIsDead) {
  std::vector<int> sleepers;
  for (int i = 0; i < 20; ++i) sleepers.push_back(StartSleeper());
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const Fd end(pipe[0]);
  Fd held(pipe[1]);
  Request request;
  request.op = Op::kHold;
  request.key = 7;
  Send(init_.control, request, "", {held.get()});
  EXPECT_EQ(Receive(init_.control).what, What::kDone);
  held = Fd();
  init_.control = Fd();
  ASSERT_TRUE(Await(end.get()));
  for (const int sleeper : sleepers) {
    EXPECT_EQ(::kill(sleeper, 0), -1) << sleeper;
    EXPECT_EQ(errno, ESRCH);
  }
}

TEST_F(InitTest, WhatIsLetGoIsClosed) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const Fd end(pipe[0]);
  Fd held(pipe[1]);
  Request request;
  request.op = Op::kHold;
  request.key = 7;
  Send(init_.control, request, "", {held.get()});
  EXPECT_EQ(Receive(init_.control).what, What::kDone);
  held = Fd();
  request.op = Op::kLetGo;
  request.key = 8;
  Send(init_.control, request, "", {});
  EXPECT_EQ(Receive(init_.control).what, What::kDone);
  pollfd watched = {end.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&watched, 1, 0), 0);
  request.key = 7;
  Send(init_.control, request, "", {});
  EXPECT_EQ(Receive(init_.control).what, What::kDone);
  EXPECT_EQ(::poll(&watched, 1, 0), 1);
}

}  // namespace
}  // namespace godwit::sandbox
