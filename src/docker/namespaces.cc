#include "docker/namespaces.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/try.h"

namespace godwit::docker {
namespace {

Result<Fd> Listen(uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return FailErrno(errno, "cannot make a socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    return FailErrno(errno, "cannot listen at port {} of the container", port);
  }
  return socket;
}

}  // namespace

Result<Fd> ListenInside(int pid, uint16_t port) {
  GODWIT_TRY(const Fd network, Open(fmt::format("/proc/{}/ns/net", pid), O_RDONLY));
  Result<Fd> listener;
  std::thread([&] {
    if (::setns(network.get(), CLONE_NEWNET) != 0) {
      listener = FailErrno(errno, "cannot enter the container's network");
    } else {
      listener = Listen(port);
    }
  }).join();
  return listener;
}

}  // namespace godwit::docker
