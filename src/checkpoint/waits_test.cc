#include "checkpoint/waits.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/fd.h"
#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr uint64_t kStack = 0x7ffc00001000;
constexpr uint64_t kInterrupted = static_cast<uint64_t>(-EINTR);

// The images of one process with one thread, and the memory behind them.
class WaitsTest : public testing::Test {
 protected:
  WaitsTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-waits-XXXXXX";
    images_ = ::mkdtemp(pattern.data());
    image::Pstree process;
    process.set_pid(100);
    process.set_ppid(0);
    process.add_threads(100);
    Write("pstree.img", {process.SerializeAsString()});
    auto& registers = *core_.mutable_thread_info()->mutable_gpregs();
    core_.set_mtype(1);
    for (const auto set :
         {&image::Registers::set_r10, &image::Registers::set_r9, &image::Registers::set_r8,
          &image::Registers::set_ax, &image::Registers::set_dx, &image::Registers::set_si,
          &image::Registers::set_di, &image::Registers::set_orig_ax}) {
      (registers.*set)(0);
    }
    registers.set_ip(0x401002);
    registers.set_sp(kStack);
    auto& real = *core_.mutable_tc()->mutable_timers()->mutable_real();
    real.set_isec(0);
    real.set_iusec(0);
    real.set_vsec(0);
    real.set_vusec(0);
  }
  ~WaitsTest() override { fs::remove_all(images_); }

  void Write(const std::string& name, std::vector<std::string> entries) {
    const std::string path = images_ + "/" + name;
    ASSERT_TRUE(Open(path, O_WRONLY | O_CREAT, 0600).has_value());
    ASSERT_TRUE(WriteImageFile(path, {1, std::move(entries)}).has_value());
  }
  image::Registers& registers() { return *core_.mutable_thread_info()->mutable_gpregs(); }
  void BlockedIn(long number, bool restartable = false) {
    registers().set_orig_ax(static_cast<uint64_t>(number));
    registers().set_ax(restartable ? static_cast<uint64_t>(number) : kInterrupted);
  }
  Waits Read() {
    Write("core-100.img", {core_.SerializeAsString()});
    const auto peek = [&](int pid, uint64_t address, size_t size) -> std::optional<std::string> {
      EXPECT_EQ(pid, 100);
      if (address >= kStack - 4096 && address < kStack) return std::string(size, '\0');
      const auto found = memory_.find(address);
      if (found == memory_.end()) return std::nullopt;
      return found->second.substr(0, size);
    };
    auto waits = ReadWaits(images_, {1000s, 5000s, 990s, since_, before_}, peek);
    EXPECT_TRUE(waits.has_value()) << waits.error().ToString();
    image::Core core;
    EXPECT_TRUE(core.ParseFromString(ReadImageFile(images_ + "/core-100.img")->entries.front()));
    after_ = core.thread_info().gpregs();
    return waits ? *std::move(waits) : Waits{};
  }
  void Time(uint64_t address, int64_t seconds, int64_t rest) {
    const int64_t parts[2] = {seconds, rest};
    memory_[address] = std::string(reinterpret_cast<const char*>(parts), sizeof parts);
  }

  std::string images_;
  image::Core core_;
  image::Registers after_;
  std::map<uint64_t, std::string> memory_;
  std::map<int, Nanos> since_;
  std::map<int, std::string> before_;
};

TEST_F(WaitsTest, ARelativeSleepIsIssuedAgainWithWhatIsLeft) {
  BlockedIn(SYS_clock_nanosleep);
  registers().set_di(CLOCK_REALTIME);
  registers().set_dx(0x6000);
  registers().set_r10(0x7000);
  Time(0x6000, 60, 0);
  Time(0x7000, 7, 500'000'000);
  const int64_t before[2] = {-1, 12};
  before_[100] = std::string(reinterpret_cast<const char*>(before), sizeof before);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1000s + 7500ms);
  ASSERT_EQ(waits.timeouts.size(), 3u);
  EXPECT_EQ(waits.timeouts[1], (Timeout{100, 0x7000, Timeout::Form::kWord, Nanos(-1)}));
  EXPECT_EQ(waits.timeouts[2], (Timeout{100, 0x7008, Timeout::Form::kWord, Nanos(12)}));
  EXPECT_LT(waits.timeouts[0].address, kStack - 128) << "not in the red zone";
  EXPECT_EQ(after_.dx(), waits.timeouts[0].address) << "the caller's own request is left alone";
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_clock_nanosleep));
  EXPECT_EQ(after_.ip(), 0x401000u);
}

TEST_F(WaitsTest, AnAbsoluteSleepOnTheWallClockIsDueOnTheInstancesOwn) {
  BlockedIn(SYS_clock_nanosleep, true);
  registers().set_di(CLOCK_REALTIME);
  registers().set_si(TIMER_ABSTIME);
  registers().set_dx(0x6000);
  Time(0x6000, 5030, 0);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1030s);
  EXPECT_TRUE(waits.timeouts.empty());
  EXPECT_EQ(after_.ip(), 0x401002u) << "CRIU has put it back already";
}

TEST_F(WaitsTest, SelectKeepsWhatTheKernelLeftInItsTime) {
  BlockedIn(SYS_select, true);
  registers().set_r8(0x6000);
  Time(0x6000, 3, 250'000);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1003s + 250ms);
  EXPECT_THAT(waits.timeouts,
              testing::ElementsAre(Timeout{100, 0x6000, Timeout::Form::kTimeval, 1003s + 250ms}));
}

TEST_F(WaitsTest, AFutexWithAnAbsoluteTimeIsIssuedAgainAsItWas) {
  BlockedIn(SYS_futex);
  registers().set_si(FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG);
  registers().set_r10(0x6000);
  Time(0x6000, 1020, 0);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1020s);
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_futex));
}

TEST_F(WaitsTest, APollerIsAskedAgainWithATimeoutInMemory) {
  BlockedIn(SYS_epoll_wait);
  registers().set_r10(30'000);
  registers().set_r8(7);
  registers().set_r9(7);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 990s + 30s) << "it has waited since it was calm at least";
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_epoll_pwait2));
  EXPECT_EQ(after_.orig_ax(), static_cast<uint64_t>(SYS_epoll_pwait2));
  EXPECT_EQ(after_.ip(), 0x401000u);
  ASSERT_EQ(waits.timeouts.size(), 1u);
  EXPECT_EQ(after_.r10(), waits.timeouts[0].address);
  EXPECT_EQ(after_.r8(), 0u) << "no signal mask";
  EXPECT_EQ(after_.r9(), 7u) << "of no mask, the size is no matter";
}

TEST_F(WaitsTest, APollerWhoseBeginningIsKnownWaitsToTheNanosecond) {
  since_[100] = 995s + 250ms;
  BlockedIn(SYS_poll);
  registers().set_dx(30'000);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1025s + 250ms);
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_ppoll));
  EXPECT_EQ(after_.r10(), 0u);
}

TEST_F(WaitsTest, OneWhoWaitsForEverIsAskedAgainAsItWas) {
  BlockedIn(SYS_epoll_wait);
  registers().set_r10(static_cast<uint64_t>(-1));
  EXPECT_EQ(Read().deadline, std::nullopt);
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_epoll_wait));
}

TEST_F(WaitsTest, ATimeoutThatTheCallerKeepsIsLeftAlone) {
  since_[100] = 998s;
  BlockedIn(SYS_rt_sigtimedwait);
  registers().set_dx(0x6000);
  Time(0x6000, 30, 0);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1028s);
  ASSERT_EQ(waits.timeouts.size(), 1u);
  EXPECT_NE(after_.dx(), 0x6000u);
  EXPECT_EQ(after_.dx(), waits.timeouts[0].address);
}

TEST_F(WaitsTest, ASignalThatIsDueMeansThatTheInterruptionIsReal) {
  BlockedIn(SYS_clock_nanosleep);
  registers().set_r10(0x6000);
  Time(0x6000, 7, 0);
  core_.mutable_thread_core()->mutable_signals_p()->add_signals(std::string("\x0a\0\0\0", 4));
  const Waits waits = Read();
  EXPECT_TRUE(waits.timeouts.empty());
  EXPECT_EQ(waits.deadline, 1000s) << "its handler is to run at once";
  EXPECT_EQ(after_.ax(), kInterrupted);
}

TEST_F(WaitsTest, ASignalThatIsBlockedInterruptsNothing) {
  BlockedIn(SYS_clock_nanosleep);
  registers().set_dx(0x6000);
  since_[100] = 1000s;
  Time(0x6000, 7, 0);
  core_.mutable_thread_core()->set_blk_sigset(uint64_t{1} << (SIGUSR1 - 1));
  core_.mutable_tc()->mutable_signals_s()->add_signals(std::string("\x0a\0\0\0", 4));
  EXPECT_EQ(Read().deadline, 1007s);
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_clock_nanosleep));
}

TEST_F(WaitsTest, ASleepWithoutAPlaceForTheRestIsIssuedAgain) {
  since_[100] = 998s;
  BlockedIn(SYS_nanosleep);
  registers().set_di(0x6000);
  Time(0x6000, 7, 0);
  EXPECT_EQ(Read().deadline, 1005s);
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_nanosleep));
  EXPECT_NE(after_.di(), 0x6000u);
}

TEST_F(WaitsTest, ASleepThatATimerWillInterruptTellsWhatIsLeft) {
  since_[100] = 998s;
  BlockedIn(SYS_nanosleep);
  registers().set_di(0x6000);
  registers().set_si(0x7000);
  Time(0x6000, 7, 0);
  Time(0x7000, 5, 0);
  auto& real = *core_.mutable_tc()->mutable_timers()->mutable_real();
  real.set_vsec(20);
  EXPECT_EQ(Read().timeouts.size(), 1u) << "it ends before: nobody is told";
  BlockedIn(SYS_nanosleep);
  real.set_vsec(3);
  const Waits waits = Read();
  ASSERT_EQ(waits.timeouts.size(), 2u);
  EXPECT_EQ(waits.timeouts[1], (Timeout{100, 0x7000, Timeout::Form::kTimespec, 1005s}));
}

TEST_F(WaitsTest, ASleepForEverIsFarAway) {
  BlockedIn(SYS_nanosleep);
  registers().set_di(0x6000);
  Time(0x6000, INT64_MAX, 0);
  EXPECT_GT(Read().deadline.value(), std::chrono::hours(24 * 365 * 100));
}

TEST_F(WaitsTest, TimeoutsAndWordsAreWrittenWhereTheyBelong) {
  int64_t memory[6] = {1, 2, 3, 4, 5, 6};
  const auto address = [&](int at) { return reinterpret_cast<uint64_t>(&memory[at]); };
  const std::map<int, int> outside = {{100, ::getpid()}};
  ASSERT_TRUE(WriteTimeouts({{100, address(0), Timeout::Form::kTimespec, 10s + Nanos(7)},
                             {100, address(2), Timeout::Form::kTimeval, 10s + Nanos(7001)},
                             {100, address(4), Timeout::Form::kWord, Nanos(INT64_MIN)}},
                            9s, outside)
                  .has_value());
  EXPECT_THAT(memory, testing::ElementsAre(1, 7, 1, 8, INT64_MIN, 6)) << "rather late than early";
  EXPECT_FALSE(WriteTimeouts({{101, address(0), Timeout::Form::kWord, 0s}}, 9s, outside));
}

TEST_F(WaitsTest, WhatTheKernelCouldNotWriteIsCountedFromTheBeginning) {
  since_[100] = 998s;
  BlockedIn(SYS_ppoll);
  registers().set_dx(0x6000);
  Time(0x6000, 7, 0);
  const Waits waits = Read();
  EXPECT_EQ(waits.deadline, 1005s);
  ASSERT_EQ(waits.timeouts.size(), 1u);
  EXPECT_EQ(after_.dx(), waits.timeouts[0].address);
  BlockedIn(SYS_select);
  registers().set_r8(0x6000);
  EXPECT_EQ(Read().timeouts.at(0).form, Timeout::Form::kTimeval);
}

TEST_F(WaitsTest, AThreadThatRunsIsDueAtOnce) {
  BlockedIn(SYS_read);
  registers().set_ax(1);
  EXPECT_EQ(Read().deadline, 1000s) << "it has something to do with what it read";
  registers().set_orig_ax(static_cast<uint64_t>(-1));
  registers().set_ax(static_cast<uint64_t>(-1));
  EXPECT_EQ(Read().deadline, 1000s) << "it is in no call";
}

TEST_F(WaitsTest, AReaderThatWaitsForEverWaitsOn) {
  BlockedIn(SYS_read);
  EXPECT_EQ(Read().deadline, std::nullopt);
  EXPECT_EQ(after_.ip(), 0x401000u) << "a read of an inotify descriptor is asked again";
  BlockedIn(SYS_read, true);
  registers().set_ip(0x401000);
  EXPECT_EQ(Read().deadline, std::nullopt);
  EXPECT_EQ(after_.ip(), 0x401000u);
}

TEST_F(WaitsTest, AReceiverThatWasInterruptedIsNotLeftAlone) {
  BlockedIn(SYS_recvfrom);
  EXPECT_EQ(Read().deadline, 1000s) << "nobody knows until when it may wait";
  EXPECT_EQ(after_.ax(), static_cast<uint64_t>(SYS_recvfrom));
}

TEST_F(WaitsTest, ASignalThatIsWaitedForIsDue) {
  core_.mutable_thread_core()->set_blk_sigset(uint64_t{1} << (SIGUSR1 - 1));
  core_.mutable_tc()->mutable_signals_s()->add_signals(std::string("\x0a\0\0\0", 4));
  const uint64_t set = uint64_t{1} << (SIGUSR1 - 1);
  const std::string with(reinterpret_cast<const char*>(&set), sizeof set);
  const std::string without(sizeof set, '\0');
  registers().set_di(0x7000);
  BlockedIn(SYS_rt_sigtimedwait);
  memory_[0x7000] = without;
  EXPECT_EQ(Read().deadline, std::nullopt);
  memory_[0x7000] = with;
  EXPECT_EQ(Read().deadline, 1000s);
  BlockedIn(SYS_rt_sigsuspend, true);
  EXPECT_EQ(Read().deadline, std::nullopt) << "it stays blocked";
  memory_[0x7000] = without;
  EXPECT_EQ(Read().deadline, 1000s);
}

TEST_F(WaitsTest, AProcessThatHasEndedIsPassedOver) {
  image::Pstree zombie;
  zombie.set_pid(101);
  zombie.set_ppid(100);
  zombie.add_threads(407036000);
  image::Pstree process;
  process.set_pid(100);
  process.set_ppid(0);
  process.add_threads(100);
  Write("pstree.img", {process.SerializeAsString(), zombie.SerializeAsString()});
  BlockedIn(SYS_clock_nanosleep, true);
  registers().set_di(CLOCK_MONOTONIC);
  registers().set_si(TIMER_ABSTIME);
  registers().set_dx(0x6000);
  Time(0x6000, 1030, 0);
  EXPECT_EQ(Read().deadline, 1030s);
}

}  // namespace
}  // namespace godwit::checkpoint
