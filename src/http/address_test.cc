#include "http/address.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/scope.h"
#include "http/testing.h"

namespace godwit::http {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, AddressesAreWrittenAsTheyWereRead) {
  for (const std::string text :
       {"127.0.0.1:9000", "0.0.0.0:0", "[::1]:65535", "unix:/run/godwit.sock"}) {
    const auto address = Address::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(Address::Parse("localhost:80")->ToString(), "127.0.0.1:80");
}

TEST(AddressTest, OtherTextIsRefusedWithTheForms) {
  const std::string long_path = "unix:/" + std::string(200, 'a');
  for (const std::string text :
       {"", "9000", ":9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:9000x", "127.0.0.1: 9000", "example.org:80", "[::1]", "[::1:9000", "::1:9000",
        "unix:", "unix:relative", long_path.c_str()}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), Code::kInvalid);
    EXPECT_THAT(address.error().reason(), HasSubstr("'" + text + "'"));
  }
}

TEST(AddressTest, AnAddressInUseIsAConflictWithTheWayOut) {
  const auto first = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(first);
  const std::string taken = Address::Of(first->get()).ToString();
  const auto second = ListenOn(taken);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kConflict);
  EXPECT_EQ(second.error().ToString(),
            "cannot listen on '" + taken +
                "': Address already in use (stop the other program, or pass another --listen)");
}

TEST(AddressTest, AcceptedSocketsSendAtOnceAndNoticeDeadPeers) {
  const auto listener = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(listener);
  const Fd client = testing::ConnectTo(Address::Of(listener->get()).ToString());
  const Fd accepted(::accept(listener->get(), nullptr, nullptr));
  int no_delay = 0;
  int keep_alive = 0;
  socklen_t size = sizeof(int);
  ASSERT_EQ(::getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
  ASSERT_EQ(::getsockopt(accepted.get(), SOL_SOCKET, SO_KEEPALIVE, &keep_alive, &size), 0);
  EXPECT_NE(no_delay, 0);
  EXPECT_NE(keep_alive, 0);
}

TEST(AddressTest, AUnixSocketLeftBehindIsReplacedAndNothingElseIs) {
  char directory[] = "/tmp/godwit-address-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  const std::string file = std::string(directory) + "/file";
  const ScopeExit removed([&] {
    ::unlink(path.c_str());
    ::unlink(file.c_str());
    ::rmdir(directory);
  });
  {
    const auto first = ListenOn("unix:" + path);
    ASSERT_TRUE(first);
    const auto second = ListenOn("unix:" + path);
    ASSERT_FALSE(second) << "somebody listens";
    EXPECT_EQ(second.error().code(), Code::kConflict);
  }
  EXPECT_TRUE(ListenOn("unix:" + path)) << "nobody listens any more";

  std::ofstream(file) << "precious";
  EXPECT_FALSE(ListenOn("unix:" + file));
  struct stat kept;
  ASSERT_EQ(::stat(file.c_str(), &kept), 0);
  EXPECT_EQ(kept.st_size, 8);
}

}  // namespace
}  // namespace godwit::http
