#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/fd.h"
#include "base/try.h"
#include "sandbox/launch.h"
#include "sandbox/seccomp.h"

namespace godwit::sandbox {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string Slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// One sandbox, in directories and a control group of its own, and shell scripts run as its
// function.
class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "sandboxes need root";
    std::string pattern = fs::temp_directory_path() / "godwit-sandbox-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    for (const auto* name : {"/code", "/instances", "/stage"}) fs::create_directory(home_ + name);
    std::ofstream(home_ + "/code/hello.txt") << "hello from /var/task\n";
    auto tree = CgroupTree::Open(home_.substr(home_.rfind('/') + 1), Slurp("/proc/self/mountinfo"),
                                 Slurp("/proc/self/cgroup"));
    ASSERT_TRUE(tree.has_value()) << tree.error().ToString();
    tree_.emplace(*std::move(tree));
    init_ = *LoadInitProgram();
    filter_ = *BuildFilter();
    nursery_ = *Nursery::Make();
    ASSERT_TRUE(BuildBase(home_ + "/base").has_value());
  }
  void TearDown() override {
    if (tree_) tree_->Close();
    fs::remove_all(home_);
  }

  Places PlacesOf(const std::string& name) {
    Places places;
    places.base = home_ + "/base";
    places.instance = home_ + "/instances/" + name;
    places.code = home_ + "/code";
    places.staging = home_ + "/stage/" + name;
    places.hostname = name;
    places.ephemeral_mb = 4;
    return places;
  }

  void Run(std::function<asio::awaitable<void>()> script) {
    bool done = false;
    asio::co_spawn(
        loop_,
        [&]() -> asio::awaitable<void> {
          co_await script();
          done = true;
        },
        [](std::exception_ptr escaped) {
          if (escaped) std::rethrow_exception(escaped);
        });
    loop_.restart();
    loop_.run();
    EXPECT_TRUE(done);
  }

  asio::awaitable<Result<std::unique_ptr<Sandbox>>> Build(const std::string& name,
                                                          CgroupLimits limits = {}) {
    Places places = PlacesOf(name);
    co_return co_await BuildSandbox(loop_.get_executor(),
                                    Workshop{pool_, *tree_, init_.get(), filter_.get(), &*nursery_},
                                    name, std::move(places), limits);
  }

  // The end of the log that a node holds; without it nothing starts.
  Fd Listen(const std::string& name) {
    auto log = Open(home_ + "/instances/" + name + "/run/log", O_RDWR | O_NONBLOCK);
    EXPECT_TRUE(log.has_value());
    return log ? *std::move(log) : Fd();
  }

  struct Ended {
    int status = -1;
    std::string output;
  };
  // Runs `script` with the sandbox's own shell and returns what it wrote and how it ended.
  asio::awaitable<Ended> Shell(Sandbox& sandbox, const std::string& name, std::string script) {
    asio::steady_timer ended(loop_, asio::steady_timer::time_point::max());
    Ended result;
    std::map<int, int> exits;  // it may be over before its pid is known
    const Fd log = Listen(name);
    sandbox.OnExit([&](int inside, int status) {
      exits[inside] = status;
      ended.cancel();
    });
    Program program{
        {"/bin/sh", "-c", std::move(script)}, {"PATH=/usr/bin:/bin"}, "/var/task", kUid, 64};
    const auto process = co_await sandbox.StartFunction(std::move(program));
    if (!process) {
      ADD_FAILURE() << process.error().ToString();
      co_return result;
    }
    while (!exits.contains(process->inside))
      co_await ended.async_wait(asio::as_tuple(asio::use_awaitable));
    result.status = exits[process->inside];
    sandbox.OnExit(nullptr);
    std::string heard(64 << 10, '\0');
    const ssize_t count = ::read(log.get(), heard.data(), heard.size());
    if (count > 0) result.output = heard.substr(0, static_cast<size_t>(count));
    co_return result;
  }

  static constexpr uint32_t kUid = 900'000'007;
  asio::io_context loop_{1};
  Pool pool_{2};
  std::string home_;
  std::optional<CgroupTree> tree_;
  Fd init_, filter_;
  std::optional<Nursery> nursery_;
};

TEST_F(SandboxTest, AFunctionIsNobodyAndSeesNothingOfTheHost) {
  Run([&]() -> asio::awaitable<void> {
    auto sandbox = co_await Build("walls");
    EXPECT_TRUE(sandbox.has_value()) << (sandbox ? "" : sandbox.error().ToString());
    if (!sandbox) co_return;
    const Ended ended = co_await Shell(**sandbox, "walls", R"(
      cat hello.txt; id -u; hostname; echo "pid $$"; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status
      for path in /etc/shadow /root /work /home/x /sys/kernel /proc/1/root/etc /proc/1/environ; do
        ls "$path" >/dev/null 2>&1 && [ -r "$path" ] && echo "READABLE $path"; done
      touch /var/task/x /usr/x /x 2>/dev/null && echo WRITABLE
      ls /run/criu 2>/dev/null && echo STAGING
      echo kept > /tmp/file && cat /tmp/file
      dd if=/dev/zero of=/tmp/big bs=1M count=8 2>&1 | grep -o 'No space left' | head -1
      ls /proc | grep -cE '^[0-9]+$'
      mount -t tmpfs none /tmp 2>/dev/null && echo MOUNTED; unshare -U true 2>/dev/null && echo UNSHARED
      cat /etc/passwd | wc -l; true)");
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("hello from /var/task\n900000007\nwalls\n"));
    EXPECT_THAT(ended.output, HasSubstr("CapEff:\t0000000000000000"));
    EXPECT_THAT(ended.output, HasSubstr("CapBnd:\t0000000000000000"));
    EXPECT_THAT(ended.output, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(ended.output, HasSubstr("Seccomp:\t2"));
    EXPECT_THAT(ended.output, HasSubstr("kept\nNo space left"));
    for (const char* hole : {"READABLE", "WRITABLE", "STAGING", "MOUNTED", "UNSHARED"}) {
      EXPECT_THAT(ended.output, Not(HasSubstr(hole)));
    }
    co_await (*sandbox)->Destroy();
  });
}

// Nothing on the host's disk is the function's to write: what is not read-only is a tmpfs with a
// size, and the log is a FIFO.
TEST_F(SandboxTest, AFunctionCannotFillTheHostsDisk) {
  Run([&]() -> asio::awaitable<void> {
    auto sandbox = co_await Build("disk");
    EXPECT_TRUE(sandbox.has_value());
    if (!sandbox) co_return;
    const Ended ended = co_await Shell(**sandbox, "disk", R"(
      for directory in $(find / -xdev -type d -writable 2>/dev/null); do echo "WRITABLE $directory"; done
      for place in / /var/log /run /run/godwit /dev /dev/shm /opt /home /var/task /usr /proc/sys; do
        touch $place/x 2>/dev/null && echo "TOUCHED $place"; done
      exec python3 - <<'END'
import ctypes, os, stat
libc = ctypes.CDLL(None, use_errno=True)
assert stat.S_ISFIFO(os.fstat(1).st_mode)
assert libc.fallocate(1, 1, ctypes.c_long(0), ctypes.c_long(1 << 30)) == -1
for flags in os.O_RDWR, os.O_RDONLY:
    try:
        os.open("/run/godwit/log", flags | os.O_NONBLOCK)
    except PermissionError:
        continue
    print("OPENED", flags)
for change in (lambda: os.ftruncate(1, 1 << 30), lambda: os.chmod("/run/godwit/log", 0o666),
               lambda: os.unlink("/run/godwit/log"), lambda: os.pwrite(1, b"x", 1 << 30)):
    try:
        change()
    except OSError:
        continue
    print("CHANGED")
os.write(os.open("/dev/stderr", os.O_WRONLY | os.O_APPEND), b"by name\n")
mounts = [line.split() for line in open("/proc/mounts")]
for _, where, kind, options, _, _ in mounts:
    # Both are root's: nothing in them was writable above.
    if where in ("/", "/run/criu"):
        continue
    if kind == "devpts" and "max=64" in options:
        continue
    if kind not in ("tmpfs", "proc") and not options.startswith("ro,"):
        print("MOUNTED", where, kind)
    if kind == "tmpfs" and "size=" not in options:
        print("BOUNDLESS", where)
END)");
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_EQ(ended.output, "WRITABLE /tmp\nby name\n");
    co_await (*sandbox)->Destroy();
  });
}

TEST_F(SandboxTest, ProcTellsLittleOfTheHost) {
  Run([&]() -> asio::awaitable<void> {
    auto sandbox = co_await Build("proc");
    EXPECT_TRUE(sandbox.has_value());
    if (!sandbox) co_return;
    const Ended ended = co_await Shell(**sandbox, "proc", R"sh(
      for name in cmdline interrupts kcore key-users keys timer_list sched_debug latency_stats; do
        [ -z "$(head -c 1 /proc/$name 2>/dev/null | tr '\0' x)" ] || echo "TELLS $name"; done
      for name in acpi scsi asound; do ls /proc/$name 2>/dev/null; done
      for name in bus fs irq sys sysrq-trigger; do [ ! -e /proc/$name ] ||
        grep -q " /proc/$name proc ro," /proc/mounts || echo "NOT READ-ONLY $name"; done
      tr '\0' ' ' < /proc/1/cmdline | tr -d ' '; echo
      grep -c "lowerdir=/proc/self/fd/" /proc/mounts
      cat /proc/meminfo /proc/cpuinfo /proc/self/status > /dev/null && echo READS
      true)sh");
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_EQ(ended.output, "godwit-init\n1\nREADS\n");
    co_await (*sandbox)->Destroy();
  });
}

TEST_F(SandboxTest, TheMemoryLimitKillsAndIsCounted) {
  Run([&]() -> asio::awaitable<void> {
    CgroupLimits limits;
    limits.memory_bytes = 24 << 20;
    auto sandbox = co_await Build("memory", limits);
    EXPECT_TRUE(sandbox.has_value());
    if (!sandbox) co_return;
    const Ended ended =
        co_await Shell(**sandbox, "memory", "exec python3 -c 'bytearray(200000000)'");
    EXPECT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGKILL)
        << ended.status << ended.output;
    EXPECT_EQ((*sandbox)->cgroup().OomKills(), 1u);
    co_await (*sandbox)->Destroy();
  });
}

TEST_F(SandboxTest, DestroyLeavesNoProcessAndNoGroup) {
  Run([&]() -> asio::awaitable<void> {
    auto sandbox = co_await Build("gone");
    EXPECT_TRUE(sandbox.has_value());
    if (!sandbox) co_return;
    const Fd log = Listen("gone");
    const auto process =
        co_await (*sandbox)->StartFunction(Program{{"/bin/sleep", "1000"}, {}, "/", kUid, 64});
    EXPECT_TRUE(process.has_value()) << process.error().ToString();
    EXPECT_GE(process->inside, 100);
    EXPECT_EQ(*co_await (*sandbox)->Find(process->inside, 0), process->outside);
    EXPECT_THAT((*sandbox)->cgroup().Pids(), testing::ElementsAre(process->outside));
    EXPECT_THAT(tree_->List(), testing::ElementsAre("gone"));
    const int init = (*sandbox)->init_pid();
    co_await (*sandbox)->Destroy();
    EXPECT_FALSE(fs::exists("/proc/" + std::to_string(process->outside)));
    EXPECT_FALSE(fs::exists("/proc/" + std::to_string(init)));
    EXPECT_TRUE(tree_->List().empty());
  });
}

TEST_F(SandboxTest, AProgramThatIsNotThereIsNamed) {
  Run([&]() -> asio::awaitable<void> {
    auto sandbox = co_await Build("missing");
    EXPECT_TRUE(sandbox.has_value());
    if (!sandbox) co_return;
    const Fd log = Listen("missing");
    const auto process =
        co_await (*sandbox)->StartFunction(Program{{"/var/task/bootstrap"}, {}, "/", kUid, 64});
    EXPECT_EQ(
        process.error().ToString(),
        "the sandbox cannot start the program /var/task/bootstrap: No such file or directory");
    co_await (*sandbox)->Destroy();
  });
}

}  // namespace
}  // namespace godwit::sandbox
