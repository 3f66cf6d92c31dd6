#include "functions/criu_worker.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/use_awaitable.hpp>

#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

asio::awaitable<Result<checkpoint::Worker>> StartCriu(sandbox::Sandbox& walls, const Fd& program,
                                                      sandbox::DriverOptions options) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    co_return FailErrno(errno, "cannot make a channel to CRIU");
  checkpoint::Worker worker{Fd(pair[0]), Fd()};
  Fd theirs(pair[1]);
  GODWIT_CO_TRY(
      const sandbox::Process process,
      co_await walls.StartDriver(program.get(), std::move(theirs), {"criu", "swrk", "3"}, options));
  worker.process = Fd(static_cast<int>(::syscall(SYS_pidfd_open, process.outside, 0)));
  if (!worker.process) co_return FailErrno(errno, "cannot watch CRIU, process {}", process.outside);
  co_return worker;
}

}  // namespace godwit::functions
