#include "docker/container.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/gate.h"
#include "base/try.h"
#include "docker/log_stream.h"
#include "docker/namespaces.h"

namespace godwit::docker {
namespace {

namespace asio = boost::asio;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr int kInside = 1;         // its pid in the container
constexpr int kStartLooks = 1000;  // kLook apart, at a starter that is on its way
constexpr int kEndLooks = 100;     // the same at the Engine, when its process has ended
constexpr auto kLook = 10ms;
constexpr auto kLogPause = 1s;  // before the log is asked for again
constexpr int kSignalled = 128;

// waitpid(2)'s status for a shell's exit code, which is what the Engine keeps.
int StatusOf(int exit_code) {
  return exit_code > kSignalled ? exit_code - kSignalled : (exit_code & 0xff) << 8;
}

std::unexpected<Error> NotHere(const char* what) {
  return Fail(Code::kUnsupported, "a container of the Docker Engine has no {}", what);
}

class Container final : public sandbox::Sandbox {
 public:
  Container(asio::any_io_executor executor, Pool& pool, Engine& engine, ContainerPlan plan)
      : executor_(executor),
        pool_(pool),
        engine_(engine),
        plan_(std::move(plan)),
        pidfd_(executor),
        log_pause_(executor),
        gate_(executor) {}

  ~Container() override { Kill(); }

  asio::awaitable<Result<>> Build() {
    GODWIT_CO_TRY(co_await Offload(pool_, [&] { return MakeFifos(); }));
    auto made = co_await engine_.Create(plan_.name, ContainerJson(plan_));
    if (!made && made.error().code() == Code::kNotFound) {
      co_return Fail(Code::kNotFound, "{} (get it with `docker pull {}`)", made.error().reason(),
                     plan_.image);
    }
    if (!made) co_return std::unexpected(std::move(made).error());
    id_ = *std::move(made);
    GODWIT_CO_TRY(co_await engine_.Start(id_));
    GODWIT_CO_TRY(const ContainerState state, co_await engine_.Look(id_));
    pid_ = state.pid;
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!state.running || pid_ <= 0 || !pidfd) {
      co_return Fail(Code::kUnavailable, "the container ended before it began (`docker logs {}`)",
                     id_.substr(0, 12));
    }
    pidfd_.assign(pidfd.Release());
    GODWIT_CO_TRY(cgroup_, co_await Offload(pool_, [&] { return sandbox::CgroupOf(pid_); }));
    GODWIT_CO_TRY(listener_, co_await Offload(pool_, [&] {
                    return ListenInside(pid_, sandbox::kRuntimeApiPort);
                  }));
    GODWIT_CO_TRY(gate_.Spawn(AwaitEnd()));
    GODWIT_CO_TRY(gate_.Spawn(CopyLog()));
    co_return Result<>{};
  }

  // Its program waits for this.
  asio::awaitable<Result<sandbox::Process>> StartFunction(sandbox::Program) override {
    asio::steady_timer pause(executor_);
    for (int look = 0; look < kStartLooks && !ended_; ++look) {
      const Fd gate(::open(StartPath().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      if (gate) co_return sandbox::Process{kInside, pid_};
      if (errno != ENXIO) co_return FailErrno(errno, "cannot open '{}'", StartPath());
      pause.expires_after(kLook);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return Fail(Code::kUnavailable, "the container's starter does not answer");
  }

  asio::awaitable<Result<sandbox::Process>> StartDriver(int, Fd, std::vector<std::string>,
                                                        sandbox::DriverOptions) override {
    co_return NotHere("way in for CRIU");
  }
  asio::awaitable<Result<>> Hold(uint64_t, Fd) override { co_return NotHere("hand to hold it"); }
  asio::awaitable<Result<>> LetGo(uint64_t) override { co_return Result<>{}; }
  asio::awaitable<Result<>> MayFreeze() override { co_return NotHere("freezer of the node's"); }
  asio::awaitable<Result<Fd>> MakeSocket() override { co_return NotHere("sockets to be made"); }
  asio::awaitable<Result<int>> Find(int inside, int) override {
    if (inside == kInside && !ended_) co_return pid_;
    co_return Fail(Code::kNotFound, "the container has no process {}", inside);
  }
  Fd TakeListener() override { return std::move(listener_); }
  void OnExit(ExitHandler handler) override { on_exit_ = std::move(handler); }
  // Who ends, ends as a process does.
  void OnEnd(std::function<void()>) override {}
  const sandbox::Cgroup& cgroup() const override { return *cgroup_; }
  bool ran_out_of_memory() const override { return out_of_memory_; }
  int init_pid() const override { return pid_; }

  bool pauses() const override { return true; }
  asio::awaitable<Result<>> Pause() override {
    GODWIT_CO_TRY(co_await engine_.Pause(id_));
    paused_ = true;
    co_return Result<>{};
  }
  // If the Engine's answer was lost, the container may run already.
  asio::awaitable<Result<>> Unpause() override {
    Result<> done = co_await engine_.Unpause(id_);
    if (!done) {
      const auto state = co_await engine_.Look(id_);
      if (!state || state->paused || !state->running) co_return done;
    }
    paused_ = false;
    co_return Result<>{};
  }

  asio::awaitable<void> Destroy() override {
    co_await asio::this_coro::throw_if_cancelled(false);
    on_exit_ = nullptr;
    // An older Engine cannot end one that is paused.
    if (paused_) static_cast<void>(co_await Unpause());
    if (!id_.empty() && !(co_await engine_.Remove(id_))) Kill();
    log_pause_.cancel();
    co_await gate_.Close();
  }

 private:
  std::string StartPath() const { return plan_.home + "/run/start"; }
  std::string LogPath() const { return plan_.home + "/run/log"; }

  Result<> MakeFifos() const {
    std::error_code error;
    std::filesystem::create_directories(plan_.home + "/run", error);
    std::filesystem::create_directories(plan_.home + "/log", error);
    ::chmod(plan_.home.c_str(), 0700);
    ::chmod((plan_.home + "/run").c_str(), 0755);
    for (const auto& [path, mode] : {std::pair(StartPath(), 0444U), {LogPath(), 0600U}}) {
      if (::mkfifo(path.c_str(), mode) != 0 && errno != EEXIST)
        return FailErrno(errno, "cannot make '{}'", path);
      if (::chmod(path.c_str(), mode) != 0)
        return FailErrno(errno, "cannot set the mode of '{}'", path);
    }
    return {};
  }

  void Kill() {
    if (pidfd_.is_open() && !ended_)
      ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
  }

  asio::awaitable<void> AwaitEnd() {
    const auto [failed] = co_await pidfd_.async_wait(asio::posix::descriptor_base::wait_read,
                                                     asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
    ended_ = true;
    // The group goes soon, and an Engine does not always hear of it.
    out_of_memory_ = cgroup_ && cgroup_->OomKills() > 0;
    int status = SIGKILL;
    asio::steady_timer pause(executor_);
    for (int look = 0; look < kEndLooks; ++look) {
      const auto state = co_await engine_.Look(id_);
      if (!state) break;
      if (!state->running) {
        status = StatusOf(state->exit_code);
        out_of_memory_ |= state->out_of_memory;
        break;
      }
      pause.expires_after(kLook);  // it has not heard of the end yet
      const auto [cancelled] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      if (cancelled) co_return;
    }
    const ExitHandler handler = std::move(on_exit_);  // which may lead to Destroy()
    if (handler) handler(kInside, status);
  }

  // Through the same FIFO as a native function's own words.
  asio::awaitable<Result<>> Write(std::string text) {
    asio::steady_timer pause(executor_);
    while (!text.empty()) {
      if (!log_) log_ = Fd(::open(LogPath().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      const ssize_t n = log_ ? ::write(log_.get(), text.data(), text.size()) : -1;
      if (n > 0) {
        text.erase(0, static_cast<size_t>(n));
        continue;
      }
      if (errno == EPIPE) log_.Close();
      pause.expires_after(kLook);
      const auto [cancelled] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      if (cancelled) co_return Fail(Code::kClosing, "the container goes");
    }
    co_return Result<>{};
  }

  // What came before the Engine was gone does not come again.
  asio::awaitable<void> CopyLog() {
    size_t taken = 0;
    while (!ended_) {
      LogStream stream;
      size_t seen = 0;
      // FollowLogs() keeps it, and is awaited here.
      // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
      const auto sink = [&](const http::Response& head,
                            std::string_view piece) -> asio::awaitable<Result<>> {
        if (head.status != 200) co_return Result<>{};
        GODWIT_CO_TRY(std::string text, stream.Feed(piece));
        const size_t known = std::min(text.size(), taken - std::min(taken, seen));
        seen += text.size();
        taken = std::max(taken, seen);
        co_return co_await Write(text.substr(known));
      };
      static_cast<void>(co_await engine_.FollowLogs(id_, sink));
      log_pause_.expires_after(kLogPause);
      const auto [cancelled] = co_await log_pause_.async_wait(asio::as_tuple(asio::use_awaitable));
      if (cancelled) co_return;
    }
  }

  asio::any_io_executor executor_;
  Pool& pool_;
  Engine& engine_;
  const ContainerPlan plan_;
  std::string id_;
  int pid_ = 0;
  asio::posix::stream_descriptor pidfd_;
  std::optional<sandbox::Cgroup> cgroup_;
  Fd listener_;
  Fd log_;
  ExitHandler on_exit_;
  bool ended_ = false;
  bool paused_ = false;
  bool out_of_memory_ = false;  // its control group is gone when it has ended
  asio::steady_timer log_pause_;
  Gate gate_;
};

}  // namespace

asio::awaitable<Result<std::unique_ptr<sandbox::Sandbox>>> BuildContainer(
    asio::any_io_executor executor, Pool& pool, Engine& engine, ContainerPlan plan) {
  auto container = std::make_unique<Container>(executor, pool, engine, std::move(plan));
  if (Result<> built = co_await container->Build(); !built) {
    co_await container->Destroy();
    co_return std::unexpected(std::move(built).error());
  }
  co_return std::unique_ptr<sandbox::Sandbox>(std::move(container));
}

asio::awaitable<Result<size_t>> RemoveLeftovers(Engine& engine, std::string store) {
  GODWIT_CO_TRY(const auto left, co_await engine.List(fmt::format("{}={}", kStoreLabel, store)));
  for (const auto& container : left) GODWIT_CO_TRY(co_await engine.Remove(container));
  co_return left.size();
}

}  // namespace godwit::docker
