#include "checkpoint/own_memory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "checkpoint/calls.h"
#include "checkpoint/page_source.h"
#include "checkpoint/spill.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPages = 300;

// A child with a file mapped, every third page changed, that waits for a word.
class OwnMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "ptrace needs root";
    if (const std::string why = WhyNoSpill(); !why.empty()) GTEST_SKIP() << why;
    std::ofstream(path_) << std::string(kPages * kPage, 'f');
    ASSERT_EQ(::pipe(pipe_), 0);
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(pipe_[0]);
    ::close(pipe_[1]);
    fs::remove(path_);
  }

  void Start(int protection) {
    child_ = ::fork();
    if (child_ == 0) ::_exit(Child(protection));
    for (int look = 0; look < 5000; ++look) {
      const auto call = ReadCall(fmt::format("/proc/{}", child_));
      if (call && call->number == SYS_read) return;
      ::usleep(1000);
    }
    FAIL() << "it does not wait";
  }

  int Child(int protection) const {
    ::alarm(30);
    const int file = ::open(path_.c_str(), O_RDONLY);
    auto* const memory = static_cast<char*>(
        ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    for (uint64_t page = 0; page < kPages; page += 3) memory[page * kPage + 9] = 'm';
    ::mprotect(memory, kPages * kPage, protection);
    char byte = 0;
    if (::read(pipe_[0], &byte, 1) != 1) return 1;
    for (uint64_t page = 0; page < kPages; ++page) {
      if (memory[page * kPage + 9] != (page % 3 == 0 ? 'm' : 'f')) return 2;
      if (memory[page * kPage + 8] != 'f') return 3;
    }
    if ((protection & PROT_WRITE) != 0) memory[8] = 'n';
    return ::pread(file, &byte, 1, 8) == 1 && byte == 'f' ? 0 : 4;
  }

  bool IsMapped() const {
    std::ifstream maps(fmt::format("/proc/{}/maps", child_));
    const std::string text((std::istreambuf_iterator<char>(maps)), {});
    return text.contains(path_);
  }

  int End() {
    int status = 0;
    EXPECT_EQ(::write(pipe_[1], "x", 1), 1);
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return status;
  }

  const std::string path_ = fs::temp_directory_path() / fmt::format("own-memory-{}", ::getpid());
  int pipe_[2] = {-1, -1};
  pid_t child_ = 0;
};

TEST_F(OwnMemoryTest, WhatWasChangedIsAnonymousAndTheSame) {
  for (const int protection : {PROT_READ | PROT_WRITE, PROT_READ}) {
    Start(protection);
    EXPECT_TRUE(IsMapped());
    const auto owned = OwnMemory({child_}, Nanos(0));
    ASSERT_TRUE(owned.has_value()) << owned.error().ToString();
    EXPECT_GE(*owned, kPages * kPage);
    EXPECT_FALSE(IsMapped());
    EXPECT_EQ(End(), 0);
  }
}

TEST_F(OwnMemoryTest, CodeStaysWhatItIs) {
  Start(PROT_READ | PROT_EXEC);
  EXPECT_TRUE(OwnMemory({child_}, Nanos(0)));
  EXPECT_TRUE(IsMapped());
  EXPECT_EQ(End(), 0);
}

TEST_F(OwnMemoryTest, BeyondTheEndOfItsFileItStaysWhatItIs) {
  Start(PROT_READ | PROT_WRITE);
  fs::resize_file(path_, kPage);
  EXPECT_TRUE(OwnMemory({child_}, Nanos(0)));
  EXPECT_TRUE(IsMapped());
}

}  // namespace
}  // namespace godwit::checkpoint
