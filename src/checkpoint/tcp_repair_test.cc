#include "checkpoint/tcp_repair.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace godwit::checkpoint {
namespace {

struct Pair {
  Fd listener, ours, theirs;
};

Pair Connect() {
  Pair pair;
  pair.listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(pair.listener.get(), raw, size), 0);
  EXPECT_EQ(::listen(pair.listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(pair.listener.get(), raw, &size), 0);
  pair.theirs = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(pair.theirs.get(), raw, size), 0);
  pair.ours = Fd(::accept4(pair.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return pair;
}

std::string ReadSome(int socket) {
  pollfd ready = {socket, POLLIN, 0};
  if (::poll(&ready, 1, 10'000) != 1) return "(nothing)";
  char buffer[64];
  const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
  return n < 0 ? "(error)" : std::string(buffer, static_cast<size_t>(n));
}

// The far end acknowledges within its own good time (delayed acknowledgements, RFC 1122
// section 4.2.3.2).
void AwaitAcknowledged(int socket) {
  for (int unacknowledged = 1; unacknowledged != 0;)
    ASSERT_EQ(::ioctl(socket, SIOCOUTQ, &unacknowledged), 0);
}

class TcpRepairTest : public testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "TCP repair needs CAP_NET_ADMIN";
  }
};

TEST_F(TcpRepairTest, AnEndIsRebuiltAndTheFarEndNeverNotices) {
  Pair pair = Connect();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(::send(pair.theirs.get(), "ask", 3, 0), 3);
    ASSERT_EQ(ReadSome(pair.ours.get()), "ask");
    ASSERT_EQ(::send(pair.ours.get(), "answer", 6, 0), 6);
    ASSERT_EQ(ReadSome(pair.theirs.get()), "answer");
    AwaitAcknowledged(pair.ours.get());
    ASSERT_TRUE(Deafen(pair.ours.get()).has_value());
    const Result<TcpState> state = SaveTcp(pair.ours.get());
    ASSERT_TRUE(state.has_value()) << state.error().ToString();
    EXPECT_TRUE(state->has_timestamps);
    pair.ours = Fd();
    Fd rebuilt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Result<> built = RebuildTcp(rebuilt.get(), *state);
    ASSERT_TRUE(built.has_value()) << built.error().ToString();
    pair.ours = std::move(rebuilt);
  }
  ASSERT_EQ(::send(pair.ours.get(), "still here", 10, 0), 10);
  EXPECT_EQ(ReadSome(pair.theirs.get()), "still here");
}

TEST_F(TcpRepairTest, AnUndoneSaveGoesOnAndWhatWasDroppedComesAgain) {
  Pair pair = Connect();
  ASSERT_TRUE(Deafen(pair.ours.get()).has_value());
  ASSERT_TRUE(SaveTcp(pair.ours.get()).has_value());
  ASSERT_EQ(::send(pair.theirs.get(), "unheard", 7, 0), 7);
  ASSERT_TRUE(LeaveRepair(pair.ours.get()).has_value());
  ASSERT_TRUE(Undeafen(pair.ours.get()).has_value());
  EXPECT_EQ(ReadSome(pair.ours.get()), "unheard");
}

TEST_F(TcpRepairTest, DataInFlightIsBusy) {
  Pair pair = Connect();
  ASSERT_EQ(::send(pair.theirs.get(), "unread", 6, 0), 6);
  pollfd ready = {pair.ours.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
  EXPECT_EQ(SaveTcp(pair.ours.get()).error().code(), Code::kBusy);
}

}  // namespace
}  // namespace godwit::checkpoint
