#include "checkpoint/sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <list>

#include "base/fd.h"
#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {
namespace {

constexpr uint32_t kMagic = 0x56303138;
constexpr uint32_t kEstablished = 1, kListening = 10;

class Sockets : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/sockets-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    images = path;
  }
  void TearDown() override { std::filesystem::remove_all(images); }

  image::InetSocket& Add(uint32_t proto, uint32_t state, uint32_t own, uint16_t port, uint32_t peer,
                         uint16_t peer_port) {
    image::File& file = files.emplace_back();
    file.set_type(4);
    file.set_id(static_cast<uint32_t>(files.size()));
    auto& socket = *file.mutable_isk();
    socket.set_ino(0xabc);
    socket.set_family(AF_INET);
    socket.set_proto(proto);
    socket.set_state(state);
    socket.set_src_port(port);
    socket.set_dst_port(peer_port);
    socket.add_src_addr(htonl(own));
    socket.add_dst_addr(htonl(peer));
    return socket;
  }
  std::vector<SocketInImage> Read() {
    ImageFile out{kMagic, {}};
    for (const auto& file : files) out.entries.push_back(file.SerializeAsString());
    EXPECT_TRUE(WriteImageFile(images + "/files.img", out));
    auto read = ReadSockets(images);
    EXPECT_TRUE(read) << read.error().ToString();
    return read.value_or(std::vector<SocketInImage>());
  }

  std::string images;
  std::list<image::File> files;
};

TEST_F(Sockets, AConnectionIsReadWithWhatItWaitsFor) {
  Add(IPPROTO_TCP, kEstablished, 0x0af90005, 40000, 0xc0000201, 1883);
  image::TcpStream stream;
  stream.set_inq_seq(4711);
  stream.set_rcv_wscale(7);
  stream.set_rcv_wnd(64128);
  stream.set_inq_len(0);
  stream.set_outq_len(0);
  stream.set_outq_seq(0);
  ASSERT_TRUE(
      WriteImageFile(images + "/tcp-stream-abc.img", {kMagic, {stream.SerializeAsString()}}));
  const auto read = Read();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_FALSE(read[0].datagrams);
  EXPECT_EQ(read[0].port, 40000);
  EXPECT_EQ(read[0].peer, 0xc0000201u);
  EXPECT_EQ(read[0].peer_port, 1883);
  EXPECT_EQ(read[0].next, 4711u);
  EXPECT_EQ(read[0].window, 501);
}

TEST_F(Sockets, WhatTheRuntimeSaidAndNobodyHeardIsRead) {
  Add(IPPROTO_TCP, kEstablished, 0x7f000001, 40000, 0x7f000001, 9001);
  Add(IPPROTO_TCP, kEstablished, 0x7f000001, 40001, 0x7f000001, 80).set_ino(0xdef);
  Read();
  image::TcpStream stream;
  stream.set_inq_len(3);
  stream.set_inq_seq(1);
  stream.set_outq_len(5);
  stream.set_outq_seq(2);  // the numbers have gone round
  for (const auto* inode : {"abc", "def"}) {
    const std::string path = images + "/tcp-stream-" + inode + ".img";
    ASSERT_TRUE(WriteImageFile(path, {kMagic, {stream.SerializeAsString()}}));
    std::ofstream(path, std::ios::app) << "inqHELLO";
  }
  const auto unheard = ReadUnacknowledged(images, 9001);
  ASSERT_TRUE(unheard) << unheard.error().ToString();
  ASSERT_EQ(unheard->size(), 1u);
  EXPECT_EQ(unheard->at(40000).sequence, 0xfffffffdu);
  EXPECT_EQ(unheard->at(40000).bytes, "HELLO");
  std::filesystem::resize_file(images + "/tcp-stream-abc.img",
                               std::filesystem::file_size(images + "/tcp-stream-abc.img") - 1);
  EXPECT_EQ(ReadUnacknowledged(images, 9001).error().code(), Code::kCorrupt);
}

TEST_F(Sockets, AListenerHearsAnybody) {
  Add(IPPROTO_TCP, kListening, 0, 80, 0, 0);
  const auto read = Read();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].peer, 0u);
  EXPECT_EQ(read[0].port, 80);
}

TEST_F(Sockets, MappedAddressesAreThoseOfIpv4) {
  auto& socket = Add(IPPROTO_UDP, 7, 0, 53, 0, 0);
  socket.set_family(AF_INET6);
  socket.clear_src_addr();
  socket.clear_dst_addr();
  for (const uint32_t word : {0U, 0U, htonl(0xffffU), htonl(0x0af90005U)})
    socket.add_src_addr(word);
  for (int i = 0; i < 4; ++i) socket.add_dst_addr(0);
  const auto read = Read();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_TRUE(read[0].datagrams);
  EXPECT_EQ(read[0].port, 53);
}

TEST_F(Sockets, WhatNobodyOutsideReachesIsLeftOut) {
  Add(IPPROTO_TCP, kEstablished, 0x7f000001, 40000, 0x7f000001, 9001);
  Add(IPPROTO_TCP, 7, 0x0af90005, 40000, 0, 0);  // closed
  Add(IPPROTO_UDP, 7, 0, 0, 0, 0);               // not bound
  EXPECT_TRUE(Read().empty());
}

TEST_F(Sockets, NoFilesNoSockets) { EXPECT_TRUE(ReadSockets(images).value().empty()); }

TEST_F(Sockets, AnEntryThatIsNoneIsCorrupt) {
  ASSERT_TRUE(WriteImageFile(images + "/files.img", {kMagic, {"nonsense"}}));
  const auto read = ReadSockets(images);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kCorrupt);
}

TEST(UnreadDatagrams, AreFoundByTheirPort) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const uint16_t port = ntohs(at.sin_port);
  EXPECT_EQ(std::ranges::count(UnreadDatagrams(::getpid()), port), 0);
  ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&at), sizeof at), 1);
  EXPECT_EQ(std::ranges::count(UnreadDatagrams(::getpid()), port), 1);
}

TEST(Connecting, IsWhoHasNoAnswerYet) {
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(server.get(), 0), 0);  // one may wait there, and who comes then is not heard
  ::getsockname(server.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const auto connect = [&] {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 ||
                errno == EINPROGRESS);
    return socket;
  };
  const uint16_t port = ntohs(at.sin_port);
  const Fd heard = connect();
  EXPECT_EQ(std::ranges::count(Connecting(::getpid()), port), 0);
  const Fd unheard = connect();
  EXPECT_EQ(std::ranges::count(Connecting(::getpid()), port), 1);
}

}  // namespace
}  // namespace godwit::checkpoint
