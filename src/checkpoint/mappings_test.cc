#include "checkpoint/mappings.h"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

TEST(MappingsTest, WhatCanBeMissingIsPrivateAnonymousAndPlain) {
  const auto mappings = ParseMappings(
      "55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]\n"
      "Size:                132 kB\nVmFlags: rd wr mr mw me ac \n"
      "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \nVmFlags: rd wr lo \n"
      "7f0000001000-7f0000002000 rw-s 00000000 00:05 77                         /dev/zero\n"
      "7f0000002000-7f0000003000 r-xp 00001000 fe:00 12                         /usr/lib/a b.so\n"
      "7f0000003000-7f0000004000 rw-p 00000000 00:00 0 \nVmFlags: rd wr wf \n"
      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
      "7ffc00100000-7ffc00102000 r-xp 00000000 00:00 0                          [vdso]\n");
  using enum Mapping::Kind;
  std::vector<Mapping::Kind> kinds;
  for (const Mapping& mapping : mappings) kinds.push_back(mapping.kind);
  EXPECT_THAT(kinds,
              testing::ElementsAre(kAnonymous, kOther, kOther, kFile, kOther, kAnonymous, kOther));
  EXPECT_EQ(mappings[0].start, 0x55d0c0000000U);
  EXPECT_EQ(mappings[0].end, 0x55d0c0021000U);
  EXPECT_EQ(mappings[0].protection, PROT_READ | PROT_WRITE);
  EXPECT_EQ(mappings[3].protection, PROT_READ | PROT_EXEC);
}

TEST(MappingsTest, PagesThatAreThereAreFound) {
  if (::geteuid() != 0) GTEST_SKIP() << "what is in memory is root's to know";
  auto* memory = static_cast<char*>(::mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  ::madvise(memory, 16 * kPage, MADV_NOHUGEPAGE);
  memory[3 * kPage] = 1;
  memory[4 * kPage] = 1;
  memory[9 * kPage] = 1;
  const auto start = reinterpret_cast<uint64_t>(memory);
  const auto runs = ResidentRuns(::getpid(), {start, start + 16 * kPage}, true);
  ASSERT_TRUE(runs.has_value());
  ASSERT_EQ(runs->size(), 2U);
  EXPECT_EQ((*runs)[0].address, start + 3 * kPage);
  EXPECT_EQ((*runs)[0].bytes, 2 * kPage);
  EXPECT_EQ((*runs)[1].address, start + 9 * kPage);
  ::munmap(memory, 16 * kPage);
}

}  // namespace
}  // namespace godwit::checkpoint
