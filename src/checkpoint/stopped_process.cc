#include "checkpoint/stopped_process.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

#ifndef USERFAULTFD_IOC_NEW
constexpr uint64_t kNewUffd = _IO(0xAA, 0x00);
#else
constexpr uint64_t kNewUffd = USERFAULTFD_IOC_NEW;
#endif

Result<> SendDescriptor(const Fd& socket, int fd) {
  char byte = 0;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = space;
  header.msg_controllen = sizeof space;
  cmsghdr* extra = CMSG_FIRSTHDR(&header);
  extra->cmsg_level = SOL_SOCKET;
  extra->cmsg_type = SCM_RIGHTS;
  extra->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(extra), &fd, sizeof fd);
  if (::sendmsg(socket.get(), &header, MSG_NOSIGNAL) < 0)
    return FailErrno(errno, "cannot hand a descriptor to the function");
  return {};
}

}  // namespace

Result<Fd> StoppedProcess::MakeUffd(const Fd& device) {
  GODWIT_TRY(const uint64_t page,
             Do("map a page", SYS_mmap,
                {0, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0}));
  Result<Fd> uffd = WithPage(device, page);
  GODWIT_TRY(Do("unmap a page", SYS_munmap, {page, kPage}));
  return uffd;
}

Result<> StoppedProcess::Forget(uint64_t address, uint64_t bytes, const Meanwhile& meanwhile) {
  GODWIT_TRY(Do("let go of memory", SYS_madvise, {address, bytes, MADV_DONTNEED}, meanwhile));
  return {};
}

Result<uint64_t> StoppedProcess::MapLike(const Mapping& mapping) {
  return Do("map memory", SYS_mmap,
            {0, mapping.bytes(), static_cast<uint64_t>(mapping.protection),
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ULL, 0});
}

Result<> StoppedProcess::Unmap(uint64_t address, uint64_t bytes, const Meanwhile& meanwhile) {
  GODWIT_TRY(Do("unmap memory", SYS_munmap, {address, bytes}, meanwhile));
  return {};
}

Result<> StoppedProcess::Protect(uint64_t address, uint64_t bytes, int protection) {
  GODWIT_TRY(
      Do("protect memory", SYS_mprotect, {address, bytes, static_cast<uint64_t>(protection)}));
  return {};
}

Result<> StoppedProcess::Move(uint64_t from, const Mapping& mapping, const Meanwhile& meanwhile) {
  GODWIT_TRY(
      Do("move memory", SYS_mremap,
         {from, mapping.bytes(), mapping.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, mapping.start},
         meanwhile));
  return {};
}

Result<uint64_t> StoppedProcess::Do(const char* what, long number,
                                    std::array<uint64_t, 6> arguments, const Meanwhile& meanwhile) {
  GODWIT_TRY(const long result, tracees_.Call(pid_, number, arguments, meanwhile));
  if (result < 0 && result > -static_cast<long>(kPage))
    return FailErrno(static_cast<int>(-result), "process {} cannot {}", pid_, what);
  return static_cast<uint64_t>(result);
}

Result<Fd> StoppedProcess::WithPage(const Fd& device, uint64_t page) {
  GODWIT_TRY(
      Do("make a pair of sockets", SYS_socketpair, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, page}));
  int pair[2] = {};
  GODWIT_TRY(Peek(page, pair, sizeof pair));
  Result<Fd> uffd = WithSockets(device, page, pair);
  for (const int fd : pair) {
    if (const auto closed = Close(fd); !closed && uffd) uffd = std::unexpected(closed.error());
  }
  return uffd;
}

Result<Fd> StoppedProcess::WithSockets(const Fd& device, uint64_t page, const int* pair) {
  const Fd ours = CopyDescriptor(pid_, pair[1]);
  if (!ours) return FailErrno(errno, "cannot reach process {}", pid_);
  GODWIT_TRY(SendDescriptor(ours, device.get()));
  // What recvmsg(2) fills, laid out behind each other.
  struct Letter {
    msghdr header;
    iovec part;
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    char byte;
  } letter = {};
  letter.part = {reinterpret_cast<void*>(page + offsetof(Letter, byte)), 1};
  letter.header.msg_iov = reinterpret_cast<iovec*>(page + offsetof(Letter, part));
  letter.header.msg_iovlen = 1;
  letter.header.msg_control = reinterpret_cast<void*>(page + offsetof(Letter, space));
  letter.header.msg_controllen = sizeof letter.space;
  GODWIT_TRY(Poke(page, &letter, sizeof letter));
  GODWIT_TRY(Do("receive a descriptor", SYS_recvmsg,
                {static_cast<uint64_t>(pair[0]), page, MSG_CMSG_CLOEXEC | MSG_DONTWAIT}));
  GODWIT_TRY(Peek(page, &letter, sizeof letter));
  int opened = -1;
  if (letter.header.msg_controllen < CMSG_LEN(sizeof(int)))
    return Fail(Code::kUnsupported, "process {} may have no more descriptors", pid_);
  std::memcpy(&opened, letter.space + CMSG_LEN(0), sizeof opened);
  const auto made = Do("make a userfaultfd", SYS_ioctl,
                       {static_cast<uint64_t>(opened), kNewUffd, O_CLOEXEC | O_NONBLOCK});
  GODWIT_TRY(Close(opened));
  if (!made) return std::unexpected(made.error());
  const int number = static_cast<int>(*made);
  Fd uffd = CopyDescriptor(pid_, number);
  GODWIT_TRY(Close(number));
  if (!uffd) return FailErrno(errno, "cannot take the userfaultfd of process {}", pid_);
  return uffd;
}

Result<> StoppedProcess::Close(int fd) {
  GODWIT_TRY(Do("close a descriptor", SYS_close, {static_cast<uint64_t>(fd)}));
  return {};
}

Result<> StoppedProcess::Peek(uint64_t address, void* into, size_t size) {
  const iovec here = {into, size};
  const iovec there = {reinterpret_cast<void*>(address), size};
  if (::process_vm_readv(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
    return FailErrno(errno, "cannot read the memory of process {}", pid_);
  return {};
}

Result<> StoppedProcess::Poke(uint64_t address, const void* from, size_t size) {
  const iovec here = {const_cast<void*>(from), size};
  const iovec there = {reinterpret_cast<void*>(address), size};
  if (::process_vm_writev(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
    return FailErrno(errno, "cannot write to the memory of process {}", pid_);
  return {};
}

}  // namespace godwit::checkpoint
