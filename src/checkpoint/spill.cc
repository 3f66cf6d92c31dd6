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
#include "checkpoint/stopped_process.h"
#include "checkpoint/tracees.h"
#include "checkpoint/uffd.h"

namespace godwit::checkpoint {
namespace {

constexpr const char* kDevice = "/dev/userfaultfd";
constexpr uint64_t kAtOnce = 256 * kPage;

Nanos Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

bool IsZero(std::span<const char> page) {
  return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

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
      StoppedProcess process(*tracees, pid);
      done = Empty(process, pid, device);
    }
    Result<> gone_on = tracees->LetGo();
    spilled_.stood_still = Now() - begun;
    return done ? std::move(gone_on) : std::move(done);
  }

 private:
  // What is missing is served from before the first can ask for it, whatever fails.
  Result<> Empty(StoppedProcess& process, int pid, const Fd& device) {
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

  // False if it cannot be read: a part lies beyond the end of its file.
  Result<bool> SaveAll(int pid, const Mapping& mapping, PageMap& missing) {
    const Result<> saved = Save(pid, {{mapping.start, mapping.bytes()}}, missing);
    if (saved) return true;
    missing.Remove(mapping.start, mapping.bytes());
    if (saved.error().code() == Code::kNoSpace) return std::unexpected(saved.error());
    return false;
  }

  // If it fails, what was there is there still.
  Result<> Replace(StoppedProcess& process, const Mapping& mapping, int uffd, PageMap& missing) {
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
