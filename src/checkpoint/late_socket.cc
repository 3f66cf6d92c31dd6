#include "checkpoint/late_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr const char* kName = "lazy-pages.socket";
constexpr timeval kPatience = {10, 0};  // for the descriptor that follows its pid

Result<Fd> ReceiveDescriptor(int socket) {
  union {
    cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } ancillary = {};
  char byte = 0;
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.space;
  message.msg_controllen = sizeof ancillary.space;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
    return FailErrno(errno, "CRIU does not hand over a userfaultfd");
  const cmsghdr* const extra = CMSG_FIRSTHDR(&message);
  if (extra == nullptr || extra->cmsg_type != SCM_RIGHTS ||
      extra->cmsg_len != CMSG_LEN(sizeof(int))) {
    return Fail(Code::kInternal, "CRIU does not hand over a userfaultfd");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(extra), sizeof fd);
  return Fd(fd);
}

}  // namespace

Result<LateSocket> LateSocket::Listen(const std::string& images, Handler handler) {
  GODWIT_TRY(const Fd directory, Open(images, O_DIRECTORY | O_PATH));
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener) return FailErrno(errno, "cannot make a socket for CRIU");
  ::unlinkat(directory.get(), kName, 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  // A path of any length, in the 108 bytes that there are.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), kName);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return FailErrno(errno, "cannot listen for CRIU in '{}'", images);
  }
  return LateSocket(std::move(listener), std::move(handler));
}

Result<> LateSocket::Receive() {
  if (!connection_) {
    connection_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection_) return FailErrno(errno, "CRIU does not connect");
    ::setsockopt(connection_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    return {};
  }
  int word = 0;
  const ssize_t length = ::recv(connection_.get(), &word, sizeof word, MSG_WAITALL);
  // The end, or the word that the restore is over: a number beyond any pid.
  constexpr int kMostPid = 4 << 20;
  if (length != sizeof word || word > kMostPid) {
    over_ = true;
    return {};
  }
  if (word < 0) return {};  // of a process that has ended and is not waited for
  GODWIT_TRY(Fd uffd, ReceiveDescriptor(connection_.get()));
  return handler_(std::move(uffd));
}

}  // namespace godwit::checkpoint
