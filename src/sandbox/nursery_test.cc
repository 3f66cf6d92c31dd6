#include "sandbox/nursery.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace godwit::sandbox {
namespace {

namespace fs = std::filesystem;

std::string OwnNamespace() { return fs::read_symlink("/proc/thread-self/ns/net"); }

// Of the namespace's own table, or minus those of its parent's.
long TcpPlaces() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_ehash_entries");
  long places = 0;
  file >> places;
  return places;
}

TEST(NurseryTest, WhatIsBornThereHasSmallTablesOfItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "namespaces need root";
  if (!fs::exists("/proc/sys/net/ipv4/tcp_child_ehash_entries"))
    GTEST_SKIP() << "this kernel has one table for all";
  const auto nursery = Nursery::Make();
  ASSERT_TRUE(nursery.has_value()) << nursery.error().ToString();
  const std::string home = OwnNamespace();
  const long shared = TcpPlaces();
  {
    const Nursery::Stay stay(*nursery);
    EXPECT_NE(OwnNamespace(), home);
    std::thread([] {
      ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
      EXPECT_EQ(TcpPlaces(), 256);
    }).join();
  }
  EXPECT_EQ(OwnNamespace(), home);
  EXPECT_EQ(TcpPlaces(), shared);
}

}  // namespace
}  // namespace godwit::sandbox
