#include "sites/passport.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

namespace godwit::sites {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

constexpr const char* kOwn =
    "machine x86_64\nkernel 6.18.2-1\ncriu 4.2.1\nruntimes ab\nflags fpu avx sse\n";

std::string Refused(const std::string& wanted) {
  const auto checked = CheckPassport(wanted, kOwn);
  return checked ? "" : checked.error().ToString();
}

TEST(PassportTest, ThisMachineWillDoForItself) {
  const std::string own = MachinePassport("ab", "4.2");
  EXPECT_TRUE(CheckPassport(own + FilesOf({::getpid()}), own));
  EXPECT_THAT(FilesOf({::getpid()}), HasSubstr("libc.so.6 "));
}

TEST(PassportTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(Refused(kOwn), IsEmpty());
  EXPECT_THAT(Refused("machine x86_64\nkernel 6.1.0\ncriu 4.1\nruntimes ab\nflags sse\n"),
              IsEmpty());
  EXPECT_THAT(Refused("machine aarch64\n"), HasSubstr("aarch64"));
  EXPECT_THAT(Refused("machine x86_64\nkernel 6.19.0\n"),
              HasSubstr("the kernel there is 6.18.2-1"));
  EXPECT_THAT(Refused("machine x86_64\ncriu 4.3\n"), HasSubstr("CRIU"));
  EXPECT_THAT(Refused("machine x86_64\nruntimes cd\n"), HasSubstr("other runtimes"));
  EXPECT_THAT(Refused("machine x86_64\nruntimes ab\nflags sse avx512f amx\n"),
              HasSubstr("avx512f, amx"));
}

TEST(PassportTest, FilesAreToBeTheSameBuilds) {
  const std::string head = "machine x86_64\nruntimes ab\n";
  EXPECT_THAT(Refused(head + "file /usr/lib/no-such-library.so 00ff\n"), HasSubstr("is not there"));
  EXPECT_THAT(Refused(head + "file /usr/bin/env 00ff\n"), HasSubstr("another build"));
  EXPECT_THAT(Refused(head + "file /etc/shadow 00ff\n"), HasSubstr("no file of a sandbox"));
  EXPECT_THAT(Refused(head + "file /usr/../etc/shadow -\n"), HasSubstr("no file of a sandbox"));
}

TEST(PassportTest, ABuildIdIsReadOutOfTheFile) {
  EXPECT_THAT(BuildId("/usr/bin/env"), MatchesRegex("[0-9a-f]{16,}"));
  EXPECT_EQ(BuildId("/etc/passwd"), "-");
  EXPECT_EQ(BuildId("/usr/no-such-file"), "");
}

}  // namespace
}  // namespace godwit::sites
