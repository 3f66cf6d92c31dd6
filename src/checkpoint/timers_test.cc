#include "checkpoint/timers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>

#include "base/fd.h"
#include "checkpoint/image_file.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""s;

// The images of one process that waits for a signal.
class TimersTest : public testing::Test {
 protected:
  TimersTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-timers-XXXXXX";
    images_ = ::mkdtemp(pattern.data());
    image::Pstree process;
    process.set_pid(100);
    process.set_ppid(0);
    process.add_threads(100);
    Write("pstree.img", process.SerializeAsString());
    core_.set_mtype(1);
    auto& registers = *core_.mutable_thread_info()->mutable_gpregs();
    for (const auto set :
         {&image::Registers::set_r10, &image::Registers::set_r9, &image::Registers::set_r8,
          &image::Registers::set_dx, &image::Registers::set_si, &image::Registers::set_di,
          &image::Registers::set_sp}) {
      (registers.*set)(0);
    }
    registers.set_orig_ax(SYS_pause);
    registers.set_ax(SYS_pause);
    registers.set_ip(0x401000);
    for (int i = 0; i < 62; ++i) {
      auto& action = *core_.mutable_tc()->add_actions();
      action.set_handler(0);
      action.set_flags(0);
    }
    OnAlarm(0x402000, SA_RESTART);
    auto& real = *core_.mutable_tc()->mutable_timers()->mutable_real();
    real.set_isec(0);
    real.set_iusec(0);
    real.set_vsec(20);
    real.set_vusec(0);
  }
  ~TimersTest() override { fs::remove_all(images_); }

  void Write(const std::string& name, std::string entry) {
    const std::string path = images_ + "/" + name;
    ASSERT_TRUE(Open(path, O_WRONLY | O_CREAT, 0600).has_value());
    ASSERT_TRUE(WriteImageFile(path, {1, {std::move(entry)}}).has_value());
  }
  void WriteCore() { Write("core-100.img", core_.SerializeAsString()); }
  void OnAlarm(uint64_t handler, uint64_t flags) {
    auto& action = *core_.mutable_tc()->mutable_actions(SIGALRM - 2);  // there is none for SIGKILL
    action.set_handler(handler);
    action.set_flags(flags);
  }
  // Whether the alarm ends call `number` if it is overdue when the thread comes back.
  bool Ends(long number) {
    auto& registers = *core_.mutable_thread_info()->mutable_gpregs();
    registers.set_orig_ax(static_cast<uint64_t>(number));
    registers.set_ax(static_cast<uint64_t>(number));
    WriteCore();
    EXPECT_TRUE(MendTimers(images_, 30s).has_value());
    return Core().thread_info().gpregs().ax() == static_cast<uint64_t>(-EINTR);
  }
  image::Core Core() const {
    image::Core core;
    EXPECT_TRUE(core.ParseFromString(ReadImageFile(images_ + "/core-100.img")->entries.front()));
    return core;
  }

  std::string images_;
  image::Core core_;
};

TEST_F(TimersTest, ACallThatAnOverdueTimerWasToInterruptIsInterrupted) {
  WriteCore();
  EXPECT_EQ(NearestTimer(images_).value(), 20s);
  ASSERT_TRUE(MendTimers(images_, 5s).has_value());
  EXPECT_EQ(Core().thread_info().gpregs().ip(), 0x401000u) << "not yet: it goes on waiting";
  ASSERT_TRUE(MendTimers(images_, 15s).has_value());
  EXPECT_EQ(Core().thread_info().gpregs().ip(), 0x401002u);
  EXPECT_EQ(Core().thread_info().gpregs().ax(), static_cast<uint64_t>(-EINTR));
}

TEST_F(TimersTest, AHandlerEndsACallAsItHasBeenSet) {
  EXPECT_FALSE(Ends(SYS_read)) << "SA_RESTART";
  EXPECT_TRUE(Ends(SYS_epoll_wait)) << "is never restarted";
  OnAlarm(0x402000, 0);
  EXPECT_TRUE(Ends(SYS_read));
  EXPECT_TRUE(Ends(SYS_wait4));
}

TEST_F(TimersTest, ASignalWithoutAHandlerEndsNoCall) {
  OnAlarm(reinterpret_cast<uint64_t>(SIG_IGN), 0);
  EXPECT_FALSE(Ends(SYS_pause));
}

TEST_F(TimersTest, ASignalThatIsBlockedEndsNoCallButThoseWithAMaskOfTheirOwn) {
  OnAlarm(0x402000, 0);
  core_.mutable_tc()->set_blk_sigset(uint64_t{1} << (SIGALRM - 1));
  EXPECT_FALSE(Ends(SYS_pause));
  EXPECT_FALSE(Ends(SYS_read));
  EXPECT_TRUE(Ends(SYS_rt_sigsuspend));
}

TEST_F(TimersTest, ALockIsWaitedForOnAndOn) {
  OnAlarm(0x402000, 0);
  auto& registers = *core_.mutable_thread_info()->mutable_gpregs();
  registers.set_si(FUTEX_LOCK_PI);
  EXPECT_FALSE(Ends(SYS_futex));
  registers.set_si(FUTEX_WAIT | FUTEX_PRIVATE_FLAG);
  EXPECT_TRUE(Ends(SYS_futex)) << "the handler is not one that restarts";
  OnAlarm(0x402000, SA_RESTART);
  EXPECT_FALSE(Ends(SYS_futex));
  registers.set_r10(0x6000);
  EXPECT_TRUE(Ends(SYS_futex)) << "with a time-out it is never restarted";
}

TEST_F(TimersTest, TimersAreMendedByTheTimeAway) {
  auto& posix = *core_.mutable_tc()->mutable_timers()->add_posix();
  posix.set_clock_id(CLOCK_MONOTONIC);
  posix.set_isec(0);
  posix.set_insec(0);
  posix.set_vsec(5);
  posix.set_vnsec(0);
  WriteCore();
  image::File timerfd;
  timerfd.set_type(17);
  timerfd.set_id(3);
  timerfd.mutable_tfd()->set_clockid(CLOCK_MONOTONIC);
  timerfd.mutable_tfd()->set_settime_flags(1);
  timerfd.mutable_tfd()->set_vsec(8);
  timerfd.mutable_tfd()->set_vnsec(0);
  Write("files.img", timerfd.SerializeAsString());
  EXPECT_EQ(NearestTimer(images_).value(), 5s);
  ASSERT_TRUE(MendTimers(images_, 6s).has_value());
  const image::Core core = Core();
  EXPECT_EQ(core.tc().timers().real().vsec(), 14u);
  EXPECT_EQ(core.tc().timers().posix(0).vsec(), 0u);
  EXPECT_EQ(core.tc().timers().posix(0).vnsec(), 1000u) << "overdue: at once, not never";
  image::File file;
  ASSERT_TRUE(file.ParseFromString(ReadImageFile(images_ + "/files.img")->entries.front()));
  EXPECT_EQ(file.tfd().vsec(), 2u);
  EXPECT_EQ(file.tfd().settime_flags(), 0u) << "what is left is not an absolute time";
}

TEST_F(TimersTest, WithoutTimersNothingIsDue) {
  core_.mutable_tc()->mutable_timers()->mutable_real()->set_vsec(0);
  WriteCore();
  EXPECT_EQ(NearestTimer(images_).value(), std::nullopt);
}

}  // namespace
}  // namespace godwit::checkpoint
