#include "sandbox/sandbox.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "base/fault.h"
#include "base/try.h"
#include "sandbox/control.h"
#include "sandbox/launch.h"

namespace godwit::sandbox {
namespace {

namespace asio = boost::asio;

class NativeSandbox : public Sandbox {
 public:
  NativeSandbox(asio::any_io_executor executor, Pool& pool, Init init, Cgroup cgroup)
      : pool_(pool),
        pid_(init.pid),
        pidfd_(executor, init.pidfd.Release()),
        control_(OpenControl(executor, std::move(init.control))),
        cgroup_(std::move(cgroup)) {}

  ~NativeSandbox() override {
    if (pid_ > 0) ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
  }

  asio::awaitable<Result<>> Ready() {
    GODWIT_CO_TRY(Answer answer, co_await control_->Ready());
    listener_ = std::move(answer.fd);
    co_return Result<>{};
  }

  asio::awaitable<Result<Process>> StartFunction(Program program) override {
    Request request;
    request.op = Op::kStartFunction;
    request.uid = program.uid;
    request.next_pid = kFirstFunctionPid;
    request.max_files = program.max_files;
    GODWIT_CO_TRY(const std::vector<Fd> groups, cgroup_.OpenProcs());
    std::vector<int> fds;
    for (const Fd& group : groups) fds.push_back(group.get());
    co_return co_await Start(request, std::move(program.directory), std::move(program.argv),
                             std::move(program.environment), std::move(fds));
  }

  asio::awaitable<Result<Process>> StartDriver(int program, Fd channel,
                                               std::vector<std::string> argv,
                                               DriverOptions options) override {
    Request request;
    request.op = Op::kStartDriver;
    request.next_pid = options.first_pid;
    request.pid = options.aside ? 1 : 0;
    request.uid = options.real_uid;
    co_return co_await Start(request, "/", std::move(argv), {"PATH=/usr/sbin:/usr/bin"},
                             {program, channel.get()});
  }

  asio::awaitable<Result<Fd>> MakeSocket() override {
    Request request;
    request.op = Op::kMakeSocket;
    GODWIT_CO_TRY(Answer answer, co_await control_->Ask(request, {}, {}));
    co_return std::move(answer.fd);
  }

  asio::awaitable<Result<int>> Find(int inside, int next) override {
    Request request;
    request.op = Op::kFind;
    request.pid = inside;
    request.next_pid = next;
    GODWIT_CO_TRY(const Answer answer, co_await control_->Ask(request, {}, {}));
    co_return answer.outside;
  }

  asio::awaitable<Result<>> Hold(uint64_t key, Fd fd) override {
    Request request;
    request.op = Op::kHold;
    request.key = key;
    GODWIT_CO_TRY(co_await control_->Ask(request, {}, {fd.get()}));
    co_return Result<>{};
  }

  asio::awaitable<Result<>> LetGo(uint64_t key) override {
    Request request;
    request.op = Op::kLetGo;
    request.key = key;
    GODWIT_CO_TRY(co_await control_->Ask(request, {}, {}));
    co_return Result<>{};
  }

  asio::awaitable<Result<>> MayFreeze() override {
    GODWIT_CO_TRY(const Fd thaw, cgroup_.OpenThaw());
    if (thaw && !frozen_once_) {
      Request request;
      request.op = Op::kThaw;
      GODWIT_CO_TRY(co_await control_->Ask(request, {}, {thaw.get()}));
    }
    frozen_once_ = true;
    co_return Result<>{};
  }

  Fd TakeListener() override { return std::move(listener_); }
  void OnExit(ExitHandler handler) override { control_->OnExit(std::move(handler)); }
  void OnEnd(std::function<void()> handler) override { control_->OnEnd(std::move(handler)); }
  const Cgroup& cgroup() const override { return cgroup_; }
  int init_pid() const override { return pid_; }

  asio::awaitable<void> Destroy() override {
    co_await asio::this_coro::throw_if_cancelled(false);
    if (pid_ <= 0) co_return;
    static_cast<void>(cgroup_.Thaw());
    co_await control_->Close();
    ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
    // The pidfd is readable once init is dead, and init is dead once all of its namespace is.
    co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                               asio::as_tuple(asio::use_awaitable));
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    static_cast<void>(co_await Offload(pool_, [&] { return cgroup_.Remove(); }));
  }

 private:
  asio::awaitable<Result<Process>> Start(Request request, std::string directory,
                                         std::vector<std::string> argv,
                                         std::vector<std::string> environment,
                                         std::vector<int> fds) {
    request.argc = static_cast<uint32_t>(argv.size());
    request.envc = static_cast<uint32_t>(environment.size());
    std::vector<std::string> strings = {std::move(directory)};
    std::ranges::move(argv, std::back_inserter(strings));
    std::ranges::move(environment, std::back_inserter(strings));
    GODWIT_CO_TRY(const Answer answer,
                  co_await control_->Ask(request, std::move(strings), std::move(fds)));
    co_return Process{answer.event.pid, answer.outside};
  }

  Pool& pool_;
  int pid_;
  asio::posix::stream_descriptor pidfd_;
  std::unique_ptr<Control> control_;
  Cgroup cgroup_;
  bool frozen_once_ = false;  // init knows how to thaw it
  Fd listener_;
};

}  // namespace

asio::awaitable<Result<std::unique_ptr<Sandbox>>> BuildSandbox(asio::any_io_executor executor,
                                                               Workshop workshop, std::string name,
                                                               Places places, CgroupLimits limits) {
  struct Laid {
    Cgroup cgroup;
    Init init;
  };
  auto laid = co_await Offload(workshop.pool, [&]() -> Result<Laid> {
    GODWIT_TRY(PrepareInstance(places));
    GODWIT_TRY(Cgroup cgroup, workshop.cgroups.Make(name));
    Result<> limited = cgroup.Apply(limits);
    Result<Init> init = limited ? LaunchInit(workshop.init_program, workshop.filter,
                                             *workshop.nursery, StepsOf(places))
                                : std::unexpected(std::move(limited).error());
    if (!init) {
      static_cast<void>(cgroup.Remove());
      return std::unexpected(std::move(init).error());
    }
    return Laid{std::move(cgroup), *std::move(init)};
  });
  if (!laid) co_return std::unexpected(std::move(laid).error());
  auto sandbox = std::make_unique<NativeSandbox>(executor, workshop.pool, std::move(laid->init),
                                                 std::move(laid->cgroup));
  if (Result<> ready = co_await sandbox->Ready(); !ready) {
    co_await sandbox->Destroy();
    co_return std::unexpected(std::move(ready).error());
  }
  GODWIT_FAULT(kSandboxBuilt);
  co_return std::unique_ptr<Sandbox>(std::move(sandbox));
}

}  // namespace godwit::sandbox
