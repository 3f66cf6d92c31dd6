// Process 1 of a sandbox. It builds the walls, starts what the node asks for, reaps, and ends with
// the node: when its control socket closes it kills everything in the namespace, and exits when the
// last is dead. In this order: it may hold the last copy of a userfaultfd (Op::kHold), without
// which a function would read zeros where its memory is still to come.
//
// A static program without the C++ runtime, embedded in godwit: it costs some 100 KB of memory for
// each sandbox.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "sandbox/init/await.h"
#include "sandbox/init/protocol.h"
#include "sandbox/init/start.h"
#include "sandbox/init/walls.h"

namespace godwit::sandbox {
namespace {

alignas(8) char message[kMaxMessage];

union Ancillary {
  cmsghdr header;
  char space[CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(sizeof(ucred))];
};

int freezer = -1;

// Exiting would close what is held before the kernel kills the rest of the namespace.
void KillAll() {
  // What is frozen does not die.
  if (freezer >= 0) static_cast<void>(::write(freezer, "THAWED", 6));
  do {
    ::kill(-1, SIGKILL);
  } while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR);
}

// `fd` (or -1) goes along as SCM_RIGHTS, `pid` (or 0) as SCM_CREDENTIALS.
void Send(const Event& event, int fd = -1, pid_t pid = 0) {
  iovec part = {const_cast<Event*>(&event), sizeof event};
  Ancillary ancillary = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd >= 0 || pid > 0) {
    header.msg_control = ancillary.space;
    header.msg_controllen = fd >= 0 ? CMSG_SPACE(sizeof(int)) : CMSG_SPACE(sizeof(ucred));
    cmsghdr* extra = CMSG_FIRSTHDR(&header);
    extra->cmsg_level = SOL_SOCKET;
    if (fd >= 0) {
      extra->cmsg_type = SCM_RIGHTS;
      extra->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(extra), &fd, sizeof fd);
    } else {
      const ucred credentials = {pid, 0, 0};
      extra->cmsg_type = SCM_CREDENTIALS;
      extra->cmsg_len = CMSG_LEN(sizeof credentials);
      std::memcpy(CMSG_DATA(extra), &credentials, sizeof credentials);
    }
  }
  while (::sendmsg(kControlFd, &header, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    KillAll();
    ::_exit(1);
  }
}

void SendFailure(int error, const char* step, const char* operand) {
  Event event;
  event.what = What::kFailed;
  event.error = error;
  std::snprintf(event.step, sizeof event.step, "%s%s%s", step, *operand != '\0' ? " " : "",
                operand);
  Send(event);
}

void Reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    Event event;
    event.what = What::kExited;
    event.pid = pid;
    event.status = status;
    Send(event);
  }
}

void AnswerStart(const Request& request, char* strings, size_t length, const int* fds,
                 int last_pid) {
  static char* words[4096];
  uint32_t count = 0;
  for (char* at = strings; at < strings + length && count < 4094; at += std::strlen(at) + 1)
    words[count++] = at;
  if (count != 1 + request.argc + request.envc || request.argc == 0) {
    SendFailure(EINVAL, "read the request", "");
    return;
  }
  static char* argv[4096];
  std::memcpy(argv, words + 1, request.argc * sizeof(char*));
  argv[request.argc] = nullptr;
  words[count] = nullptr;
  const Start start = {&request, argv, words + 1 + request.argc, words[0], fds, last_pid};
  const char* step = "";
  const pid_t pid =
      request.op == Op::kStartFunction ? StartFunction(start, &step) : StartDriver(start, &step);
  if (pid < 0) {
    SendFailure(-pid, step, argv[0]);
    return;
  }
  Event event;
  event.what = What::kStarted;
  event.pid = pid;
  Send(event, -1, pid);
}

void AnswerSocket() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) {
    SendFailure(errno, "make a socket", "");
    return;
  }
  Event event;
  event.what = What::kSocket;
  Send(event, socket);
  ::close(socket);
}

void AnswerFind(pid_t pid) {
  Event event;
  event.what = What::kFound;
  event.pid = pid;
  if (::kill(pid, 0) != 0) {
    SendFailure(errno, "find the process", "");
    return;
  }
  Send(event, -1, pid);
}

void SendDone() {
  Event event;
  event.what = What::kDone;
  Send(event);
}

struct Held {
  uint64_t key;
  int fd;
};
Held held[kMaxHeld];
uint32_t held_count = 0;

void AnswerHold(uint64_t key, int& fd) {
  if (held_count == kMaxHeld) {
    SendFailure(EMFILE, "hold one more descriptor", "");
    return;
  }
  held[held_count++] = {key, fd};
  fd = -1;
  SendDone();
}

void AnswerLetGo(uint64_t key) {
  for (uint32_t i = 0; i < held_count;) {
    if (held[i].key != key) {
      ++i;
      continue;
    }
    ::close(held[i].fd);
    held[i] = held[--held_count];
  }
  SendDone();
}

// False when the node is gone.
bool AnswerOne(const Walls& walls) {
  iovec part = {message, sizeof message - 1};
  Ancillary ancillary = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = ancillary.space;
  header.msg_controllen = sizeof ancillary.space;
  const ssize_t length = ::recvmsg(kControlFd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) return errno == EINTR || errno == EAGAIN;
  if (length == 0) return false;
  int fds[kMaxFds];
  uint32_t fd_count = 0;
  for (cmsghdr* extra = CMSG_FIRSTHDR(&header); extra != nullptr;
       extra = CMSG_NXTHDR(&header, extra)) {
    if (extra->cmsg_type != SCM_RIGHTS) continue;
    fd_count = static_cast<uint32_t>((extra->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(fds, CMSG_DATA(extra), fd_count * sizeof(int));
  }
  Request request;
  if (static_cast<size_t>(length) < sizeof request) return false;
  std::memcpy(&request, message, sizeof request);
  message[length] = '\0';
  if (request.fd_count != fd_count) {
    SendFailure(EBADF, "receive descriptors", "");
  } else if (request.op == Op::kStartFunction ||
             (request.op == Op::kStartDriver && fd_count == 2)) {
    AnswerStart(request, message + sizeof request, static_cast<size_t>(length) - sizeof request,
                fds, walls.last_pid);
  } else if (request.op == Op::kMakeSocket) {
    AnswerSocket();
  } else if (request.op == Op::kFind) {
    SetNextPid(walls.last_pid, request.next_pid);
    AnswerFind(request.pid);
  } else if (request.op == Op::kHold && fd_count == 1) {
    AnswerHold(request.key, fds[0]);
  } else if (request.op == Op::kThaw && fd_count == 1) {
    if (freezer >= 0) ::close(freezer);
    freezer = fds[0];
    fds[0] = -1;
    SendDone();
  } else if (request.op == Op::kLetGo) {
    AnswerLetGo(request.key);
  } else {
    SendFailure(EINVAL, "understand the request", "");
  }
  for (uint32_t i = 0; i < fd_count; ++i) {
    if (fds[i] >= 0) ::close(fds[i]);
  }
  return true;
}

int Run(int argc, char** argv) {
  ::umask(0);
  ::fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  ::fcntl(kSeccompFd, F_SETFD, FD_CLOEXEC);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &children, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  Walls walls;
  if (!BuildWalls({argv + 1, static_cast<size_t>(argc - 1)}, walls)) {
    SendFailure(errno, walls.failed_step, walls.failed_operand);
    return 1;
  }
  // A function sees them in /proc/1/cmdline, and they tell of the host.
  for (int i = 1; i < argc; ++i) std::memset(argv[i], 0, std::strlen(argv[i]));
  const int signals = ::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  Event ready;
  ready.what = What::kReady;
  Send(ready, walls.listener);
  ::close(walls.listener);
  pollfd watched[] = {{kControlFd, POLLIN, 0}, {signals, POLLIN, 0}};
  while (true) {
    if (::poll(watched, 2, -1) < 0 && errno != EINTR) break;
    if (watched[1].revents != 0) {
      signalfd_siginfo info;
      while (::read(signals, &info, sizeof info) > 0) {
      }
      Reap();
    }
    if (watched[0].revents != 0 && !AnswerOne(walls)) break;
  }
  KillAll();
  return 0;
}

}  // namespace
}  // namespace godwit::sandbox

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "await") == 0) godwit::sandbox::AwaitAndBecome(argv + 2);
  return godwit::sandbox::Run(argc, argv);
}
