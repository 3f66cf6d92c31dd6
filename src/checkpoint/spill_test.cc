#include "checkpoint/spill.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "checkpoint/activity.h"
#include "checkpoint/calls.h"
#include "checkpoint/spill_file.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kPages = 4096;
constexpr long kWait = 600'000'000;  // nanoseconds that each call waits

uint64_t Mark(uint64_t page) { return page * 0x9E3779B97F4A7C15U + 1; }

struct Pattern {
  Pattern() {
    memory = static_cast<uint64_t*>(::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (uint64_t page = 0; page < kPages; ++page) memory[page * kPage / 8] = Mark(page);
  }
  bool right() const {
    for (uint64_t page = 0; page < kPages; ++page) {
      if (memory[page * kPage / 8] != Mark(page)) return false;
    }
    return true;
  }
  uint64_t* memory;
};

long Since(const timespec& begun) {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - begun.tv_sec) * 1'000'000'000 + now.tv_nsec - begun.tv_nsec;
}

// In time: not early, and not as late as one that began anew.
bool InTime(const timespec& begun) {
  const long took = Since(begun);
  return took >= kWait && took < kWait + kWait / 2;
}

timespec Begin() {
  timespec begun = {};
  ::clock_gettime(CLOCK_MONOTONIC, &begun);
  return begun;
}

class SpillTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "ptrace needs root";
    if (const std::string why = WhyNoSpill(); !why.empty()) GTEST_SKIP() << why;
    pager_ = *Pager::Start();
    ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    for (const int end : pipe_) ::close(end);
  }

  template <typename Act>
  void Start(Act act) {
    child_ = ::fork();
    if (child_ != 0) return;
    ::alarm(30);
    const Pattern pattern;
    const int status = act(pipe_[0]);
    ::_exit(!pattern.right() ? 99 : status);
  }

  // Until it has filled its memory and sleeps.
  void AwaitRest() {
    Activity last;
    for (int look = 0; look < 5000; ++look) {
      const Activity now = ReadActivity({child_});
      if (Resident() > kPages && now.asleep && now.SameAs(last)) return;
      last = now;
      ::usleep(2000);
    }
    FAIL() << "it does not sleep";
  }

  uint64_t Resident() const {
    std::ifstream file(fmt::format("/proc/{}/statm", child_));
    uint64_t size = 0;
    uint64_t resident = 0;
    file >> size >> resident;
    return resident;
  }

  Result<> SpillIt() {
    SpillRequest request{{child_},
                         {},
                         fs::temp_directory_path(),
                         *pager_,
                         entropy_,
                         [this](Fd copy) {
                           held_.push_back(std::move(copy));
                           return Result<>{};
                         },
                         {}};
    return Spill(request, spilled_);
  }

  int End() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return status;
  }

  std::unique_ptr<Pager> pager_;
  SystemEntropy entropy_;
  Spilled spilled_;
  std::vector<Fd> held_;
  int pipe_[2] = {-1, -1};
  pid_t child_ = 0;
};

TEST_F(SpillTest, MemoryIsAwayAndComesBackAsItIsTouched) {
  Start([](int pipe) {
    char byte = 0;
    return ::read(pipe, &byte, 1) == 1 && byte == 'x' ? 0 : 1;
  });
  AwaitRest();
  const auto done = SpillIt();
  ASSERT_TRUE(done.has_value()) << done.error().ToString();
  EXPECT_GE(spilled_.bytes, kPages * kPage);
  ::usleep(100000);
  EXPECT_LT(Resident(), 500U);
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  EXPECT_EQ(End(), 0);
}

// As the global variables of a program are: some pages of its file are changed, the others not.
TEST_F(SpillTest, WhatWasChangedOfAFileIsAwayToo) {
  const std::string path = fs::temp_directory_path() / fmt::format("godwit-spill-{}", ::getpid());
  constexpr uint64_t kInFile = 512;
  std::ofstream(path) << std::string(kInFile * kPage, 'f');
  Start([path](int pipe) {
    const int file = ::open(path.c_str(), O_RDONLY);
    auto* const memory = static_cast<char*>(
        ::mmap(nullptr, kInFile * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    for (uint64_t page = 0; page < kInFile; page += 2) memory[page * kPage + 7] = 'm';
    char byte = 0;
    if (::read(pipe, &byte, 1) != 1) return 1;
    for (uint64_t page = 0; page < kInFile; ++page) {
      if (memory[page * kPage + 7] != (page % 2 == 0 ? 'm' : 'f')) return 2;
      if (memory[page * kPage + 8] != 'f') return 3;
    }
    memory[7] = 'n';
    if (::msync(memory, kInFile * kPage, MS_SYNC) != 0 || ::pread(file, &byte, 1, 7) != 1) return 4;
    return byte == 'f' ? 0 : 5;
  });
  AwaitRest();
  const auto done = SpillIt();
  ASSERT_TRUE(done.has_value()) << done.error().ToString();
  EXPECT_GE(spilled_.bytes, (kPages + kInFile) * kPage);
  ::usleep(100000);
  EXPECT_LT(Resident(), 500U);
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  EXPECT_EQ(End(), 0);
  fs::remove(path);
}

TEST_F(SpillTest, ASleepTakesAsLongAsItWould) {
  Start([](int) {
    const timespec begun = Begin();
    const timespec wait = {0, kWait};
    timespec rest = {7, 7};
    if (::clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, &rest) != 0) return 1;
    return InTime(begun) && rest.tv_sec == 7 ? 0 : 2;
  });
  AwaitRest();
  ASSERT_TRUE(SpillIt());
  EXPECT_EQ(End(), 0);
}

TEST_F(SpillTest, ACallThatStoppingEndsGoesOn) {
  Start([](int pipe) {
    const int epoll = ::epoll_create1(0);
    epoll_event event = {};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, pipe, &event);
    const timespec begun = Begin();
    const int count = ::epoll_wait(epoll, &event, 1, kWait / 1'000'000);
    if (count != 0) return count < 0 ? 1 : 2;
    return InTime(begun) ? 0 : 3;
  });
  AwaitRest();
  const auto done = SpillIt();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(End(), 0);
}

TEST_F(SpillTest, EveryThreadGoesOn) {
  Start([](int) {
    std::atomic<int> wrong = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 50; ++i) {
      threads.emplace_back([&wrong, i] {
        std::vector<uint64_t> own(5000, static_cast<uint64_t>(i));
        const timespec begun = Begin();
        const timespec wait = {0, kWait};
        if (i % 2 == 0) {
          if (::nanosleep(&wait, nullptr) != 0) ++wrong;
        } else {
          uint32_t word = 1;
          if (::syscall(SYS_futex, &word, FUTEX_WAIT, 1, &wait, nullptr, 0) != -1 ||
              errno != ETIMEDOUT) {
            ++wrong;
          }
        }
        if (!InTime(begun)) ++wrong;
        for (const uint64_t one : own) wrong += one == static_cast<uint64_t>(i) ? 0 : 1;
      });
    }
    threads.clear();
    return wrong.load();
  });
  AwaitRest();
  const auto done = SpillIt();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(End(), 0);
}

TEST_F(SpillTest, ASignalIsTakenAsEver) {
  Start([](int pipe) {
    struct sigaction action = {};
    static std::atomic<int> taken = 0;
    action.sa_handler = [](int) { ++taken; };
    ::sigaction(SIGUSR1, &action, nullptr);
    char byte = 0;
    return ::read(pipe, &byte, 1) == -1 && errno == EINTR && taken == 1 ? 0 : 1;
  });
  AwaitRest();
  ASSERT_TRUE(SpillIt());
  ::kill(child_, SIGUSR1);
  EXPECT_EQ(End(), 0);
}

TEST_F(SpillTest, NoRoomLeavesItAsItWas) {
  Start([](int pipe) {
    char byte = 0;
    return ::read(pipe, &byte, 1) == 1 ? 0 : 1;
  });
  AwaitRest();
  SpillRequest request{{child_}, {}, "/proc/self", *pager_, entropy_, {}, {}};
  EXPECT_FALSE(Spill(request, spilled_));
  request.directory = fs::temp_directory_path();
  request.hold = [](Fd) -> Result<> { return Fail(Code::kBusy, "nobody holds it"); };
  EXPECT_FALSE(Spill(request, spilled_));
  EXPECT_GT(Resident(), kPages);
  ASSERT_EQ(::write(pipe_[1], "x", 1), 1);
  EXPECT_EQ(End(), 0);
}

TEST(SpillFileTest, WhatIsWrittenIsReadAndNobodyElseCan) {
  SystemEntropy entropy;
  auto file = SpillFile::Make(fs::temp_directory_path(), entropy);
  ASSERT_TRUE(file.has_value());
  std::string pages(700 * kPage, '\0');
  for (size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<char>(i / 97);
  ASSERT_EQ((*file)->Append(std::string_view(pages).substr(0, 300 * kPage)).value_or(1), 0U);
  ASSERT_EQ((*file)->Append(std::string_view(pages).substr(300 * kPage)).value_or(1), 300 * kPage);
  std::string back(500 * kPage, '\0');
  ASSERT_TRUE((*file)->Read(100 * kPage, back));
  EXPECT_TRUE(back == std::string_view(pages).substr(100 * kPage, back.size()));
  back.resize(kPage);
  EXPECT_FALSE((*file)->Read(700 * kPage, back));
}

}  // namespace
}  // namespace godwit::checkpoint
