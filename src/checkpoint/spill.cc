#include "checkpoint/spill.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/inside.h"
#include "checkpoint/mappings.h"
#include "checkpoint/spill_file.h"
#include "checkpoint/tracees.h"
#include "checkpoint/uffd.h"

namespace godwit::checkpoint {
namespace {

constexpr const char* kDevice = "/dev/userfaultfd";
#ifndef USERFAULTFD_IOC_NEW
constexpr uint64_t kNewUffd = _IO(0xAA, 0x00);
#else
constexpr uint64_t kNewUffd = USERFAULTFD_IOC_NEW;
#endif
constexpr uint64_t kAtOnce = 256 * kPage;
// What was changed of a file's memory is put away if the whole is not larger than that many times.
constexpr uint64_t kMostReplaced = 4;
constexpr uint64_t kFewPages = 16 * kPage;

Nanos Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

bool IsZero(std::span<const char> page) {
  return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

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

// One stopped process, made to do things.
class Process {
 public:
  Process(Tracees& tracees, int pid) : tracees_(tracees), pid_(pid) {}

  // A userfaultfd of its memory. A function may not make one, and userfaultfd(2) asks for a
  // capability of whose memory it is; who has the device open needs none, so it gets that over a
  // socket for the time being, and nothing of it is left.
  Result<Fd> MakeUffd(const Fd& device) {
    GODWIT_TRY(const uint64_t page,
               Do("map a page", SYS_mmap,
                  {0, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0}));
    Result<Fd> uffd = WithPage(device, page);
    GODWIT_TRY(Do("unmap a page", SYS_munmap, {page, kPage}));
    return uffd;
  }

  // Lets go of pages; `meanwhile` answers for those that are watched.
  Result<> Forget(uint64_t address, uint64_t bytes, const std::function<void()>& meanwhile = {}) {
    GODWIT_TRY(Do("let go of memory", SYS_madvise, {address, bytes, MADV_DONTNEED}, meanwhile));
    return {};
  }

  // Memory without pages, of the same size and protection as `mapping`, somewhere else.
  Result<uint64_t> MapLike(const Mapping& mapping) {
    return Do("map memory", SYS_mmap,
              {0, mapping.bytes(), static_cast<uint64_t>(mapping.protection),
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ULL, 0});
  }
  Result<> Unmap(uint64_t address, uint64_t bytes, const std::function<void()>& meanwhile) {
    GODWIT_TRY(Do("unmap memory", SYS_munmap, {address, bytes}, meanwhile));
    return {};
  }
  // Puts what lies at `from` in the place of `mapping`, in one step.
  Result<> Move(uint64_t from, const Mapping& mapping, const std::function<void()>& meanwhile) {
    GODWIT_TRY(
        Do("move memory", SYS_mremap,
           {from, mapping.bytes(), mapping.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, mapping.start},
           meanwhile));
    return {};
  }

 private:
  Result<uint64_t> Do(const char* what, long number, std::array<uint64_t, 6> arguments,
                      const std::function<void()>& meanwhile = {}) {
    GODWIT_TRY(const long result, tracees_.Call(pid_, number, arguments, meanwhile));
    if (result < 0 && result > -static_cast<long>(kPage))
      return FailErrno(static_cast<int>(-result), "process {} cannot {}", pid_, what);
    return static_cast<uint64_t>(result);
  }

  Result<Fd> WithPage(const Fd& device, uint64_t page) {
    GODWIT_TRY(Do("make a pair of sockets", SYS_socketpair,
                  {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, page}));
    int pair[2] = {};
    GODWIT_TRY(Peek(page, pair, sizeof pair));
    Result<Fd> uffd = WithSockets(device, page, pair);
    for (const int fd : pair) {
      if (const auto closed = Close(fd); !closed && uffd) uffd = std::unexpected(closed.error());
    }
    return uffd;
  }

  Result<Fd> WithSockets(const Fd& device, uint64_t page, const int* pair) {
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

  Result<> Close(int fd) {
    GODWIT_TRY(Do("close a descriptor", SYS_close, {static_cast<uint64_t>(fd)}));
    return {};
  }

  Result<> Peek(uint64_t address, void* into, size_t size) {
    const iovec here = {into, size};
    const iovec there = {reinterpret_cast<void*>(address), size};
    if (::process_vm_readv(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
      return FailErrno(errno, "cannot read the memory of process {}", pid_);
    return {};
  }

  Result<> Poke(uint64_t address, const void* from, size_t size) {
    const iovec here = {const_cast<void*>(from), size};
    const iovec there = {reinterpret_cast<void*>(address), size};
    if (::process_vm_writev(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
      return FailErrno(errno, "cannot write to the memory of process {}", pid_);
    return {};
  }

  Tracees& tracees_;
  int pid_;
};

// All processes of one instance.
class Spilling {
 public:
  Spilling(const SpillRequest& request, Spilled& spilled)
      : request_(request), spilled_(spilled), buffer_(kAtOnce, '\0') {}

  Result<> PutAway() {
    GODWIT_TRY(const Fd device, Open(kDevice, O_RDWR));
    GODWIT_TRY(file_, SpillFile::Make(request_.directory, request_.entropy));
    const Nanos begun = Now();
    GODWIT_TRY(const auto tracees, Tracees::Stop(request_.pids, request_.offset));
    Result<> done;
    for (const int pid : request_.pids) {
      if (!done) break;
      Process process(*tracees, pid);
      done = Empty(process, pid, device);
    }
    Result<> gone_on = tracees->LetGo();
    spilled_.stood_still = Now() - begun;
    return done ? std::move(gone_on) : std::move(done);
  }

 private:
  // What is missing is served from before the first can ask for it, whatever fails.
  Result<> Empty(Process& process, int pid, const Fd& device) {
    GODWIT_TRY(const auto mappings, ReadMappings(pid));
    GODWIT_TRY(Fd uffd, process.MakeUffd(device));
    GODWIT_TRY(AgreeOnEvents(uffd.get()));
    PageMap missing;
    std::vector<Run> watched;
    std::vector<Mapping> changed;
    for (const Mapping& mapping : mappings) {
      if (mapping.kind == Mapping::Kind::kOther) continue;
      GODWIT_TRY(const auto runs, ResidentRuns(pid, mapping, true));
      if (runs.empty()) continue;
      if (mapping.kind == Mapping::Kind::kAnonymous) {
        GODWIT_TRY(Save(pid, runs, missing));
        watched.push_back({mapping.start, mapping.bytes()});
      } else if (MayBeReplaced(mapping, runs)) {
        GODWIT_TRY(const bool saved, SaveAll(pid, mapping, missing));
        if (saved) changed.push_back(mapping);
      }
    }
    if (!watched.empty() || !changed.empty()) {
      GODWIT_TRY(request_.hold(Fd(::fcntl(uffd.get(), F_DUPFD_CLOEXEC, 0))));
      GODWIT_FAULT(kSpillWritten);
      Result<> emptied;
      for (const Run& run : watched) {
        if (emptied) emptied = RegisterMissing(uffd.get(), run.address, run.bytes);
        if (!emptied) {
          missing.Remove(run.address, run.bytes);  // it is there
          continue;
        }
        emptied = process.Forget(run.address, run.bytes, [&] { Answer(uffd.get(), missing); });
      }
      for (const Mapping& mapping : changed) {
        if (emptied) emptied = Replace(process, mapping, uffd.get(), missing);
        if (!emptied) missing.Remove(mapping.start, mapping.bytes());
      }
      GODWIT_FAULT(kSpillDropped);
      // Where nothing has been let go of yet, the page is there, and the pager finds it so.
      Serve(std::move(uffd), missing, emptied.has_value());
      GODWIT_TRY(std::move(emptied));
    }
    for (const Mapping& mapping : mappings) {
      if (mapping.kind != Mapping::Kind::kFile) continue;
      GODWIT_TRY(const auto runs, ResidentRuns(pid, mapping, false));
      for (const Run& run : runs) GODWIT_TRY(process.Forget(run.address, run.bytes));
    }
    return {};
  }

  // Only anonymous memory can be missing. So what a process has changed of a file's memory (its
  // global variables, above all) is replaced by anonymous memory of the same content, unless it is
  // code or little of much.
  static bool MayBeReplaced(const Mapping& mapping, const std::vector<Run>& runs) {
    uint64_t bytes = 0;
    for (const Run& run : runs) bytes += run.bytes;
    return (mapping.protection & PROT_READ) != 0 && (mapping.protection & PROT_EXEC) == 0 &&
           mapping.bytes() <= kMostReplaced * bytes + kFewPages;
  }

  // False if it cannot be read: a part lies beyond the end of its file.
  Result<bool> SaveAll(int pid, const Mapping& mapping, PageMap& missing) {
    const Result<> saved = Save(pid, {{mapping.start, mapping.bytes()}}, missing);
    if (saved) return true;
    missing.Remove(mapping.start, mapping.bytes());
    if (saved.error().code() == Code::kNoSpace) return std::unexpected(saved.error());
    return false;
  }

  // If it fails, what was there is there still.
  Result<> Replace(Process& process, const Mapping& mapping, int uffd, PageMap& missing) {
    GODWIT_TRY(const uint64_t aside, process.MapLike(mapping));
    Result<> moved = RegisterMissing(uffd, aside, mapping.bytes());
    const auto meanwhile = [&] { Answer(uffd, missing); };
    if (moved) moved = process.Move(aside, mapping, meanwhile);
    if (!moved) static_cast<void>(process.Unmap(aside, mapping.bytes(), meanwhile));
    return moved;
  }

  // The kernel asks before it lets go of watched memory. And a thread that goes back and forth
  // between its calls touches some (rseq(2)), as may whoever looks at the process from outside.
  void Answer(int uffd, PageMap& missing) {
    uffd_msg message = {};
    while (::read(uffd, &message, sizeof message) > 0) {
      if (message.event != UFFD_EVENT_PAGEFAULT) continue;
      const uint64_t address = message.arg.pagefault.address & ~(kPage - 1);
      const auto range = missing.At(address, kPage);
      if (!range) {
        static_cast<void>(ZeroPages(uffd, address, kPage));
        continue;
      }
      std::string page(kPage, '\0');
      if (!file_->Read(range->offset, page)) continue;  // it does not stop, and is killed for it
      const auto placed = CopyPages(uffd, address, page);
      if (placed && placed->what == Filled::kDone) missing.Remove(address, kPage);
      if (placed && placed->what == Filled::kAgain) WakePages(uffd, address, kPage);
    }
  }

  void Serve(Fd uffd, const PageMap& missing, bool stays) {
    Space space;
    spilled_.bytes += missing.bytes();
    space.uffd = std::move(uffd);
    space.ranges = missing.All();
    space.source = file_;
    space.fill = stays ? Space::Fill::kNever : Space::Fill::kInOrder;
    space.observer = request_.observer;
    spilled_.spaces.push_back(request_.pager.Serve(std::move(space)));
  }

  // Pages of zeros are not written: what is watched, and has no content, is zeros.
  Result<> Save(int pid, const std::vector<Run>& runs, PageMap& missing) {
    for (const Run& run : runs) {
      for (uint64_t at = 0; at < run.bytes;) {
        const uint64_t size = std::min(run.bytes - at, kAtOnce);
        const iovec here = {buffer_.data(), size};
        const iovec there = {reinterpret_cast<void*>(run.address + at), size};
        if (::process_vm_readv(pid, &here, 1, &there, 1, 0) != static_cast<ssize_t>(size))
          return FailErrno(errno, "cannot read the memory of process {}", pid);
        GODWIT_TRY(Write(run.address + at, {buffer_.data(), size}, missing));
        at += size;
      }
    }
    return {};
  }

  Result<> Write(uint64_t address, std::span<const char> pages, PageMap& missing) {
    while (!pages.empty()) {
      uint64_t length = 0;
      while (length < pages.size() && !IsZero(pages.subspan(length, kPage))) length += kPage;
      if (length > 0) {
        GODWIT_TRY(const uint64_t offset, file_->Append(pages.first(length)));
        missing.Add({address, length, offset});
      }
      length = std::min<uint64_t>(length + kPage, pages.size());  // and the page of zeros
      address += length;
      pages = pages.subspan(length);
    }
    return {};
  }

  const SpillRequest& request_;
  Spilled& spilled_;
  std::shared_ptr<SpillFile> file_;
  std::string buffer_;
};

}  // namespace

Result<> Spill(const SpillRequest& request, Spilled& spilled) {
  return Spilling(request, spilled).PutAway();
}

std::string WhyNoSpill() {
#ifdef __x86_64__
  const Result<Fd> device = Open(kDevice, O_RDWR);
  return device ? "" : device.error().ToString();
#else
  return "this processor is not x86-64";
#endif
}

}  // namespace godwit::checkpoint
