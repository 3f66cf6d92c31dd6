#include "checkpoint/ready.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/core_image.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kMostDescriptors = 1024;  // looked at of one call
constexpr short kReads = POLLIN;
// What select takes for each of its sets (fs/select.c).
constexpr short kSets[] = {POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
                           POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR, POLLPRI};

#ifdef __x86_64__

class Caller {
 public:
  Caller(int process, const image::Registers& registers, const Peek& peek)
      : process_(process), registers_(registers), peek_(peek) {}

  std::vector<Awaited> Awaits() const {
    const int first = static_cast<int>(registers_.di());
    const auto number = static_cast<long>(registers_.orig_ax());
    if (Reads(number)) return {{first, kReads}};
    switch (number) {
      case SYS_epoll_wait:
      case SYS_epoll_pwait:
      case SYS_epoll_pwait2:
        return {{first, kReads}};
      case SYS_poll:
      case SYS_ppoll:
        return OfPoll(registers_.di(), registers_.si());
      case SYS_select:
      case SYS_pselect6:
        return OfSelect(registers_.di());
      default:
        return {};
    }
  }

 private:
  std::vector<Awaited> OfPoll(uint64_t address, uint64_t count) const {
    std::vector<pollfd> all(std::min(count, kMostDescriptors));
    const auto bytes = peek_(process_, address, all.size() * sizeof(pollfd));
    if (!bytes || bytes->size() != all.size() * sizeof(pollfd)) return {};
    std::memcpy(all.data(), bytes->data(), bytes->size());
    std::vector<Awaited> awaited;
    for (const pollfd& one : all) {
      if (one.fd >= 0) awaited.push_back({one.fd, one.events});
    }
    return awaited;
  }

  std::vector<Awaited> OfSelect(uint64_t count) const {
    constexpr uint64_t kBits = 64;
    const uint64_t words = (std::min(count, kMostDescriptors) + kBits - 1) / kBits;
    const uint64_t addresses[] = {registers_.si(), registers_.dx(), registers_.r10()};
    std::vector<Awaited> awaited;
    for (size_t set = 0; set < std::size(kSets); ++set) {
      if (addresses[set] == 0) continue;
      const auto bytes = peek_(process_, addresses[set], words * sizeof(uint64_t));
      if (!bytes || bytes->size() != words * sizeof(uint64_t)) continue;
      for (uint64_t fd = 0; fd < std::min(count, kMostDescriptors); ++fd) {
        uint64_t word = 0;
        std::memcpy(&word, bytes->data() + fd / kBits * sizeof word, sizeof word);
        if ((word >> (fd % kBits) & 1) != 0) awaited.push_back({static_cast<int>(fd), kSets[set]});
      }
    }
    return awaited;
  }

  int process_;
  const image::Registers& registers_;
  const Peek& peek_;
};

std::optional<std::string> ReadyOf(int inside, int outside, const std::vector<Awaited>& awaited) {
  for (const Awaited& one : awaited) {
    const Fd copy = CopyDescriptor(outside, one.descriptor);
    pollfd look = {copy.get(), one.events, 0};
    if (!copy || ::poll(&look, 1, 0) <= 0) continue;
    // A set of select is not told of what it does not ask for, as poll is.
    const bool asked = (look.revents & (one.events | POLLHUP | POLLERR)) != 0;
    if (asked) {
      return fmt::format("descriptor {} of process {} has something {}", one.descriptor, inside,
                         (look.revents & POLLIN) != 0 ? "to read" : "to tell");
    }
  }
  return std::nullopt;
}

#endif

}  // namespace

std::vector<Awaited> AwaitedBy([[maybe_unused]] int process,
                               [[maybe_unused]] const image::Registers& registers,
                               [[maybe_unused]] const Peek& peek) {
#ifdef __x86_64__
  return Caller(process, registers, peek).Awaits();
#else
  return {};
#endif
}

Result<std::optional<Ready>> FindReady([[maybe_unused]] const std::string& images,
                                       [[maybe_unused]] const std::map<int, int>& outside,
                                       [[maybe_unused]] const Peek& peek, const std::string& come) {
  std::optional<Ready> found;
  if (!come.empty()) found = Ready{come};
#ifdef __x86_64__
  bool can_go_on = true;
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& process : tree) {
    const int inside = static_cast<int>(process.pid());
    const auto host = outside.find(inside);
    if (host == outside.end()) continue;
    for (const uint32_t tid : process.threads()) {
      GODWIT_TRY(ChangeCore(images, tid, [&](image::Core& core) {
        if (core.mtype() != kX86 || !core.has_thread_info()) return false;
        const auto& registers = core.thread_info().gpregs();
        const bool ended = static_cast<int64_t>(registers.ax()) == -EINTR;
        can_go_on &= !ended;
        if (found || (!ended && registers.ax() != registers.orig_ax())) return false;
        const Caller caller(inside, registers, peek);
        if (auto what = ReadyOf(inside, host->second, caller.Awaits()))
          found = Ready{*std::move(what)};
        return false;
      }));
    }
  }
  if (found) found->can_go_on = can_go_on;
#endif
  return found;
}

}  // namespace godwit::checkpoint
