#include "functions/criu_worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <utility>

#include "base/scope.h"
#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

constexpr int kPidRoom = 200;  // pids between those of the function and CRIU's own

// A function may kill what has its user as its real one.
bool Lives(const checkpoint::Worker& worker) {
  pollfd end = {worker.process.get(), POLLIN, 0};
  return ::poll(&end, 1, 0) == 0;
}

}  // namespace

int FirstDriverPid(const InstanceFacts& facts) {
  return std::max(sandbox::kFirstDriverPid, facts.highest_pid + kPidRoom);
}

CriuWorker::CriuWorker(Workplace& workplace, uint32_t uid)
    : workplace_(workplace),
      uid_(uid),
      started_(workplace.executor, asio::steady_timer::time_point::max()) {}

CriuWorker::~CriuWorker() { Drop(); }

asio::awaitable<Result<checkpoint::Worker>> CriuWorker::Start(sandbox::Sandbox& walls,
                                                              int first_pid) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    co_return FailErrno(errno, "cannot make a channel to CRIU");
  checkpoint::Worker worker{Fd(pair[0]), Fd(), 0};
  GODWIT_CO_TRY(
      const sandbox::Process process,
      co_await walls.StartDriver(workplace_.criu.get(), Fd(pair[1]), {"criu", "swrk", "3"},
                                 {.real_uid = uid_,
                                  .first_pid = std::max(first_pid, sandbox::kFirstDriverPid),
                                  .aside = first_pid == kForDump}));
  worker.process = Fd(static_cast<int>(::syscall(SYS_pidfd_open, process.outside, 0)));
  if (!worker.process) co_return FailErrno(errno, "cannot watch CRIU, process {}", process.outside);
  worker.pid = process.outside;
  ready_pid_ = process.inside;
  co_return worker;
}

asio::awaitable<void> CriuWorker::Prepare(sandbox::Sandbox& walls, int first_pid) {
  if (starting_ || ready() || workplace_.ready_workers >= kMostReady) co_return;
  starting_ = true;
  ++workplace_.ready_workers;
  auto worker = co_await Start(walls, first_pid);
  if (worker) {
    const auto warm = co_await Offload(workplace_.pool, [&] { return checkpoint::Greet(*worker); });
    if (!warm) worker = std::unexpected(warm.error());
  }
  if (worker) {
    ready_ = *std::move(worker);
    ready_since_ = workplace_.clock.Steady();
  } else {
    --workplace_.ready_workers;  // it is started when it is needed, and then says what is wrong
  }
  starting_ = false;
  started_.cancel();
}

asio::awaitable<void> CriuWorker::Still() {
  while (starting_) co_await started_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<Result<checkpoint::Worker>> CriuWorker::Take(sandbox::Sandbox& walls,
                                                             int first_pid) {
  co_await Still();
  if (ready() && ready_pid_ >= first_pid && Lives(ready_)) {
    --workplace_.ready_workers;
    co_return std::exchange(ready_, {});
  }
  Drop();
  co_return co_await Start(walls, first_pid);
}

void CriuWorker::DropStale() {
  if (ready() && workplace_.clock.Steady() - ready_since_ > kKeepReady) Drop();
}

void CriuWorker::Drop() {
  if (!ready()) return;
  ::syscall(SYS_pidfd_send_signal, ready_.process.get(), SIGKILL, nullptr, 0);
  ready_ = {};
  --workplace_.ready_workers;
}

}  // namespace godwit::functions
