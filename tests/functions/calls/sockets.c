// Sockets, without a time-out of their own and with one (SO_RCVTIMEO, SO_SNDTIMEO).
#include "frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int pair[2];
static char much[1 << 20];

static void Pair(void) { Need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair"); }
static void TimedOut(int fd, int option) {
  const struct timeval timeout = {(time_t)seconds, 250000};
  Need(setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof timeout), "setsockopt");
}
static void StillTimed(int fd, int option) {
  struct timeval timeout = {0, 0};
  socklen_t size = sizeof timeout;
  getsockopt(fd, SOL_SOCKET, option, &timeout, &size);
  Is("the socket's time-out", timeout.tv_sec, (long)seconds);
}

static int Listener(struct sockaddr_in* address) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  *address = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof *address;
  Need(bind(listener, (struct sockaddr*)address, size), "bind");
  Need(listen(listener, 4), "listen");
  getsockname(listener, (struct sockaddr*)address, &size);
  return listener;
}

static void Recv(void) {
  Pair();
  After(Write1, pair[1]);
  char byte = 0;
  Is("recv", recv(pair[0], &byte, 1, 0), 1);
  Is("the byte", byte, 'x');
}
static void RecvTcp(void) {
  struct sockaddr_in address;
  const int listener = Listener(&address);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  Need(connect(client, (struct sockaddr*)&address, sizeof address), "connect");
  const int server = accept(listener, NULL, NULL);
  After(Write1, server);
  char byte = 0;
  Is("recv", recv(client, &byte, 1, MSG_WAITALL), 1);
}
static void SendUdp(int port) {
  const struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = (in_port_t)port,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (const struct sockaddr*)&to, sizeof to);
}
static int Udp(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  Need(bind(fd, (struct sockaddr*)&address, size), "bind");
  getsockname(fd, (struct sockaddr*)&address, &size);
  After(SendUdp, address.sin_port);
  return fd;
}
static void Recvfrom(void) {
  const int fd = Udp();
  struct sockaddr_in from = {0};
  socklen_t size = sizeof from;
  char byte = 0;
  Is("recvfrom", recvfrom(fd, &byte, 1, 0, (struct sockaddr*)&from, &size), 1);
  Is("the sender", ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
}
static void Recvmsg(void) {
  const int fd = Udp();
  char byte = 0;
  struct iovec one = {&byte, 1};
  struct msghdr header = {.msg_iov = &one, .msg_iovlen = 1};
  Is("recvmsg", recvmsg(fd, &header, 0), 1);
}
static void Recvmmsg(void) {
  const int fd = Udp();
  char byte = 0;
  struct iovec one = {&byte, 1};
  struct mmsghdr header = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};
  struct timespec timeout = {30, 0};
  Is("recvmmsg", recvmmsg(fd, &header, 1, 0, &timeout), 1);
  Is("its length", header.msg_len, 1);
}
static struct sockaddr_in there;
static void Connect(int unused) {
  (void)unused;
  connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&there, sizeof there);
  sleep(1);
}
static void Accept(void) {
  const int listener = Listener(&there);
  After(Connect, 0);
  struct sockaddr_in from = {0};
  socklen_t size = sizeof from;
  Is("accept", accept(listener, (struct sockaddr*)&from, &size) >= 0, 1);
  Is("the peer", ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
}
static void Drain(int fd) {
  for (long all = 0; all < (long)sizeof much;) {
    const ssize_t n = read(fd, much, sizeof much);
    if (n <= 0) _exit(1);
    all += n;
  }
}
static void Send(void) {
  Pair();
  After(Drain, pair[1]);
  Is("send", send(pair[0], much, sizeof much, 0), sizeof much);
}

static void TimedRecv(void) {
  Pair();
  TimedOut(pair[0], SO_RCVTIMEO);
  char byte = 5;
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("recv", recv(pair[0], &byte, 1, 0), EAGAIN);
  Lasts("recv", Clock(CLOCK_MONOTONIC) - begun, (long)seconds + 0.25);
  StillTimed(pair[0], SO_RCVTIMEO);
}
static void TimedRead(void) {
  Pair();
  TimedOut(pair[0], SO_RCVTIMEO);
  char byte = 5;
  Failed("read", read(pair[0], &byte, 1), EAGAIN);
}
static void TimedAccept(void) {
  const int listener = Listener(&there);
  TimedOut(listener, SO_RCVTIMEO);
  const double begun = Clock(CLOCK_MONOTONIC);
  Failed("accept", accept(listener, NULL, NULL), EAGAIN);
  Lasts("accept", Clock(CLOCK_MONOTONIC) - begun, (long)seconds + 0.25);
}
static void TimedSend(void) {
  Pair();
  TimedOut(pair[0], SO_SNDTIMEO);
  const double begun = Clock(CLOCK_MONOTONIC);
  const long sent = send(pair[0], much, sizeof much, 0);
  Is("send: some", sent > 0 && sent < (long)sizeof much, 1);
  Lasts("send", Clock(CLOCK_MONOTONIC) - begun, (long)seconds + 0.25);
}
// The time-out of the other direction is no matter.
static void OtherTimed(void) {
  Pair();
  TimedOut(pair[0], SO_SNDTIMEO);
  After(Write1, pair[1]);
  char byte = 0;
  Is("recv", recv(pair[0], &byte, 1, 0), 1);
}

const struct Case kSockets[] = {
    {"recv", Recv},
    {"recv-tcp", RecvTcp},
    {"recvfrom", Recvfrom},
    {"recvmsg", Recvmsg},
    {"recvmmsg", Recvmmsg},
    {"accept", Accept},
    {"half.send", Send},
    {"recv-other-timed", OtherTimed},
    {"timed.recv", TimedRecv},
    {"timed.read", TimedRead},
    {"timed.accept", TimedAccept},
    {"timed.send", TimedSend},
    {NULL, NULL}};
