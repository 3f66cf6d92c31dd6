// A real network, in namespaces of its own: one for the node, one for the instance.
#include "network/network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstring>
#include <thread>

namespace godwit::network {
namespace {

namespace asio = boost::asio;

// This process moves into a network of its own, once.
bool OwnNamespace() {
  static const bool done = [] {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
  }();
  return done;
}

// Stands for a sandbox's first process: a namespace, and nobody in it.
class Sandbox {
 public:
  Sandbox() {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
      static_cast<void>(::write(ready[1], "x", 1));
      while (true) ::pause();
    }
    ::close(ready[1]);
    char word = 0;
    EXPECT_EQ(::read(ready[0], &word, 1), 1);
    ::close(ready[0]);
  }
  ~Sandbox() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }
  // A socket in there.
  Fd Socket(int type) const {
    int made = -1;
    std::thread([&] {
      const Fd space(::open(fmt::format("/proc/{}/ns/net", pid_).c_str(), O_RDONLY));
      if (::setns(space.get(), CLONE_NEWNET) == 0) made = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    }).join();
    return Fd(made);
  }

 private:
  pid_t pid_ = 0;
};

sockaddr_in At(Address address, uint16_t port) {
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(address.bits);
  at.sin_port = htons(port);
  return at;
}

std::string Read(const Fd& socket, int within_ms) {
  pollfd watched{socket.get(), POLLIN, 0};
  if (::poll(&watched, 1, within_ms) != 1) return "nothing";
  char buffer[100];
  const ssize_t length = ::recv(socket.get(), buffer, sizeof buffer, 0);
  return length < 0 ? ErrnoText(errno) : std::string(buffer, static_cast<size_t>(length));
}

class NetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || !OwnNamespace()) GTEST_SKIP() << "needs root";
    pool.emplace(2);  // its threads live in the namespace of this one
    network.emplace(loop.get_executor(), *pool,
                    FirewallRules{"test", ParseRange("10.249.0.0/16").value(), 9000},
                    Log("test", LogLevel::kError));
    network->OnRing([&](Address address, const Packet& packet) {
      rung.push_back(address.ToString() + " from port " + std::to_string(packet.from_port));
    });
  }
  void TearDown() override {
    if (network) Run(network->Close());
    network.reset();
  }

  void Run(asio::awaitable<void> work) {
    bool done = false;
    asio::co_spawn(loop, std::move(work), [&](std::exception_ptr) { done = true; });
    while (!done) {
      loop.restart();
      loop.run_one();
    }
  }
  // Lets the loop see what has come.
  void Look() {
    loop.restart();
    loop.run_for(std::chrono::milliseconds(50));
  }
  Address Join(const Sandbox& sandbox) {
    Address address;
    Run([&]() -> asio::awaitable<void> {
      const auto taken = co_await network->Take();
      EXPECT_TRUE(taken) << taken.error().ToString();
      address = *taken;
      const auto attached = co_await network->Attach(address, sandbox.pid());
      EXPECT_TRUE(attached) << attached.error().ToString();
    }());
    return address;
  }
  // Connects from inside to a listener on the node's machine.
  void Connect(const Sandbox& sandbox) {
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at = At(kGateway, 0);
    socklen_t size = sizeof at;
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size);
    inside = sandbox.Socket(SOCK_STREAM);
    ASSERT_EQ(::connect(inside.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0)
        << ErrnoText(errno);
    outside = Fd(::accept(listener.get(), nullptr, nullptr));
    port = ntohs(at.sin_port);
  }
  Ear EarOf(const Fd& socket) const {
    sockaddr_in at = {};
    socklen_t size = sizeof at;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size);
    // What it waits for is only told in repair mode (tcp(7)).
    const int on = 1;
    const int off = -1 /* without a probe */;
    const int queue = TCP_RECV_QUEUE;
    uint32_t next = 0;
    socklen_t room = sizeof next;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof queue);
    ::getsockopt(socket.get(), IPPROTO_TCP, TCP_QUEUE_SEQ, &next, &room);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_REPAIR, &off, sizeof off);
    return {Protocol::kTcp, ntohs(at.sin_port), kGateway, port, next, 500};
  }

  asio::io_context loop{1};
  std::optional<Pool> pool;
  std::optional<Network> network;
  std::vector<std::string> rung;
  Fd inside, outside;
  uint16_t port = 0;
};

TEST_F(NetworkTest, AnInstanceReachesItsMachineAndIsReached) {
  const Sandbox sandbox;
  Join(sandbox);
  Connect(sandbox);
  ASSERT_EQ(::send(outside.get(), "hello", 5, 0), 5);
  EXPECT_EQ(Read(inside, 1000), "hello");
}

TEST_F(NetworkTest, WhatComesWhileItIsAwayRingsAndIsHandedOver) {
  const Sandbox sandbox;
  const Address address = Join(sandbox);
  Connect(sandbox);
  ASSERT_TRUE(network->Hold(address));
  EXPECT_FALSE(network->Expect(address, {EarOf(inside)}));
  ASSERT_EQ(::send(outside.get(), "wake", 4, 0), 4);
  Look();
  EXPECT_EQ(Read(inside, 0), "nothing");
  ASSERT_EQ(rung.size(), 1u);
  EXPECT_EQ(rung[0], address.ToString() + " from port " + std::to_string(port));
  ASSERT_TRUE(network->Deliver(address));
  EXPECT_EQ(Read(inside, 100), "wake");
  ASSERT_EQ(::send(outside.get(), "again", 5, 0), 5);
  EXPECT_EQ(Read(inside, 1000), "again");
}

TEST_F(NetworkTest, WhatCameBeforeItStoodStillIsHere) {
  const Sandbox sandbox;
  const Address address = Join(sandbox);
  Connect(sandbox);
  ASSERT_TRUE(network->Hold(address));
  ASSERT_EQ(::send(outside.get(), "early", 5, 0), 5);
  Look();
  EXPECT_TRUE(network->Expect(address, {EarOf(inside)}));
  ASSERT_TRUE(network->Deliver(address));
  EXPECT_EQ(Read(inside, 100), "early");
}

TEST_F(NetworkTest, InstancesDoNotReachEachOtherNorTheNode) {
  const Sandbox one, other;
  Join(one);
  const Address there = Join(other);
  const Fd listener = other.Socket(SOCK_STREAM | SOCK_NONBLOCK);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  sockaddr_in at = {};
  socklen_t size = sizeof at;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const auto reaches = [&](const sockaddr_in& target) {
    const Fd socket = one.Socket(SOCK_STREAM);
    const timeval patience{0, 300'000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
  };
  EXPECT_FALSE(reaches(At(there, ntohs(at.sin_port))));
  const Fd node(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(node.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in own = At({}, 9000);
  ASSERT_EQ(::bind(node.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  ASSERT_EQ(::listen(node.get(), 1), 0);
  EXPECT_FALSE(reaches(At(kGateway, 9000)));
}

TEST_F(NetworkTest, AnAddressIsAnothersLaterOn) {
  Address address;
  {
    const Sandbox sandbox;
    address = Join(sandbox);
  }
  network->GiveBack(address);
  const Sandbox sandbox;
  Run([&]() -> asio::awaitable<void> {
    network->Reserve(address);
    EXPECT_TRUE(co_await network->Await(address, {}));
    const auto attached = co_await network->Attach(address, sandbox.pid());
    EXPECT_TRUE(attached) << attached.error().ToString();
  }());
  ASSERT_TRUE(network->Deliver(address));
  Connect(sandbox);
}

}  // namespace
}  // namespace godwit::network
