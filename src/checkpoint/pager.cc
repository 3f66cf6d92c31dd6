#include "checkpoint/pager.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "base/fault.h"
#include "base/try.h"
#include "checkpoint/uffd.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kLeastStep = 4 * kPage;
constexpr uint64_t kMostStep = 256 * kPage;
constexpr int kProbeEvery = 2000;  // milliseconds: whether the processes are there still
constexpr int kSoon = 1;           // milliseconds, when an event is on its way
constexpr SpaceId kWake = 0;       // no space

// One space and how far it is.
struct Served {
  Fd uffd;
  PageMap missing;
  std::shared_ptr<PageSource> source;
  std::function<void(PagerEvent)> observer;
  bool filling = false;
  std::vector<uint64_t> first;  // in turn, from `next_first` on
  size_t next_first = 0;
  uint64_t next = 0;              // where the filling goes on
  uint64_t step = kLeastStep;     // how much a fault brings
  uint64_t end = 0;               // where the last fault's pages ended
  std::vector<uint64_t> waiting;  // faults that an event stands before
  uint64_t faults = 0;
  std::vector<uint64_t> touched;
  bool stalled = false;  // so does the filling
  bool resident = false;
  bool broken = false;
  bool gone = false;
};

class Thread : public Pager {
 public:
  Thread(Fd poll, Fd wake)
      : poll_(std::move(poll)),
        wake_(std::move(wake)),
        buffer_(kMostStep, '\0'),
        thread_([this] { Run(); }) {}

  ~Thread() override {
    stop_ = true;
    Wake();
    thread_.join();
  }

  SpaceId Serve(Space space) override {
    auto served = std::make_unique<Served>();
    served->uffd = std::move(space.uffd);
    served->missing = PageMap(space.ranges);
    served->source = std::move(space.source);
    served->observer = std::move(space.observer);
    served->filling = space.fill != Space::Fill::kNever;
    served->first = std::move(space.first);
    const std::lock_guard lock(mutex_);
    const SpaceId id = Add(std::move(served));
    Wake();
    return id;
  }

  void FillUp(SpaceId space) override {
    const std::lock_guard lock(mutex_);
    if (const auto found = spaces_.find(space); found != spaces_.end())
      found->second->filling = true;
    Wake();
  }

  void Drop(SpaceId space) override {
    const std::lock_guard lock(mutex_);
    if (const auto found = spaces_.find(space); found != spaces_.end()) Erase(found);
  }

  std::optional<PagerState> Look(SpaceId space) override {
    const std::lock_guard lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end()) return std::nullopt;
    const Served& served = *found->second;
    return PagerState{served.faults, served.missing.bytes(), served.touched};
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
  }

  // Locked.
  SpaceId Add(std::unique_ptr<Served> served) {
    const SpaceId id = ++last_;
    epoll_event interest = {};
    interest.events = EPOLLIN;
    interest.data.u64 = id;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, served->uffd.get(), &interest);
    spaces_.emplace(id, std::move(served));
    return id;
  }

  // Closing it is not enough while somebody holds a copy.
  using Spaces = std::map<SpaceId, std::unique_ptr<Served>>;
  Spaces::iterator Erase(Spaces::iterator at) {
    ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, at->second->uffd.get(), nullptr);
    return spaces_.erase(at);
  }

  void Run() {
    std::array<epoll_event, 16> events;
    while (!stop_) {
      const int count = ::epoll_wait(poll_.get(), events.data(), events.size(), Pause());
      std::vector<PagerEvent> told;
      std::vector<std::function<void(PagerEvent)>> observers;
      {
        const std::lock_guard lock(mutex_);
        for (int i = 0; i < count; ++i) {
          if (events[static_cast<size_t>(i)].data.u64 == kWake) {
            uint64_t ignored = 0;
            static_cast<void>(::read(wake_.get(), &ignored, sizeof ignored));
          } else {
            Listen(events[static_cast<size_t>(i)].data.u64);
          }
        }
        Retry();
        Probe();
        FillOne();
        Settle();
        told.swap(told_);
        observers.swap(observers_);
      }
      for (size_t i = 0; i < told.size(); ++i) observers[i](std::move(told[i]));
    }
  }

  int Pause() {
    const std::lock_guard lock(mutex_);
    int pause = spaces_.empty() ? -1 : kProbeEvery;
    for (const auto& [id, served] : spaces_) {
      if (served->broken) continue;
      if (!served->waiting.empty() || served->stalled)
        pause = std::min(pause, kSoon);
      else if (served->filling && !served->missing.empty())
        pause = 0;
    }
    return pause;
  }

  void Tell(const Served& served, PagerEvent event) {
    if (!served.observer) return;
    observers_.push_back(served.observer);
    told_.push_back(std::move(event));
  }

  void Listen(SpaceId id) {
    const auto found = spaces_.find(id);
    if (found == spaces_.end()) return;
    Served& served = *found->second;
    // One at a time: what an event changes comes before the fault that was told behind it.
    uffd_msg message = {};
    while (::read(served.uffd.get(), &message, sizeof message) ==
           static_cast<ssize_t>(sizeof message)) {
      switch (message.event) {
        case UFFD_EVENT_PAGEFAULT:
          ++served.faults;
          Answer(served, message.arg.pagefault.address & ~(kPage - 1));
          break;
        case UFFD_EVENT_FORK:
          Fork(id, served, Fd(static_cast<int>(message.arg.fork.ufd)));
          break;
        case UFFD_EVENT_REMAP:
          served.missing.Move(message.arg.remap.from, message.arg.remap.to, message.arg.remap.len);
          break;
        case UFFD_EVENT_REMOVE:
        case UFFD_EVENT_UNMAP:
          served.missing.Remove(message.arg.remove.start,
                                message.arg.remove.end - message.arg.remove.start);
          break;
        default:
          break;
      }
    }
  }

  void Fork(SpaceId parent, const Served& served, Fd uffd) {
    auto child = std::make_unique<Served>();
    ::fcntl(uffd.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(uffd.get(), F_SETFL, ::fcntl(uffd.get(), F_GETFL) | O_NONBLOCK);
    child->uffd = std::move(uffd);
    child->missing = served.missing;
    child->source = served.source;
    child->observer = served.observer;
    child->filling = served.filling;
    child->broken = served.broken;
    Fd copy(::fcntl(child->uffd.get(), F_DUPFD_CLOEXEC, 0));
    const SpaceId id = Add(std::move(child));
    PagerEvent event{PagerEvent::Kind::kForked, id, parent};
    event.copy = std::move(copy);
    Tell(served, std::move(event));
  }

  // Brings the page at `address`, and those behind it while they are asked for in a row.
  void Answer(Served& served, uint64_t address) {
    if (served.broken) return;
    if (served.touched.size() < kMostTouched) served.touched.push_back(address);
    served.step =
        address == served.end ? std::min(served.step * 2, kMostStep) : served.source->Step();
    Filled filled = Filled::kDone;
    if (const auto range = served.missing.At(address, served.step)) {
      filled = Bring(served, *range);
      served.end = address + range->bytes;
    } else {
      filled = Judge(served, ZeroPages(served.uffd.get(), address, kPage), kPage).what;
    }
    if (filled == Filled::kAgain) served.waiting.push_back(address);
    // Mapped anew since, or not at all: it finds out by trying again.
    if (filled == Filled::kUnmapped) WakePages(served.uffd.get(), address, kPage);
  }

  // Nothing that is to come is ever given up here: where it cannot be put, because nothing is
  // mapped there any more, an event says so. kUnmapped if the first page cannot.
  Filled Bring(Served& served, const PageRange& range) {
    const std::span<char> content(buffer_.data(), range.bytes);
    if (const auto read = served.source->Read(range.offset, content); !read) {
      Break(served, read.error());
      return Filled::kDone;
    }
    uint64_t most = range.bytes;  // at once: a run of pages may lie in several mappings
    for (uint64_t at = 0; at < range.bytes;) {
      const uint64_t size = std::min(most, range.bytes - at);
      const Placed placed =
          Judge(served, CopyPages(served.uffd.get(), range.address + at, content.subspan(at, size)),
                size);
      if (served.broken) break;
      at += placed.bytes;
      if (placed.bytes > 0) {
        served.missing.Remove(range.address, at);
      } else if (placed.what == Filled::kThere) {
        at += kPage;
        served.missing.Remove(range.address, at);
      } else if (placed.what != Filled::kUnmapped) {
        return placed.what;
      } else if (most > kPage) {
        most = kPage;
      } else {
        return at == 0 ? placed.what : Filled::kDone;
      }
    }
    return Filled::kDone;
  }

  Placed Judge(Served& served, const Result<Placed>& fill, uint64_t wanted) {
    if (!fill) {
      Break(served, fill.error());
      return {Filled::kDone, wanted};
    }
    if (fill->what == Filled::kGone) served.gone = true;
    return *fill;
  }

  void Break(Served& served, const Error& why) {
    if (served.broken) return;
    served.broken = true;
    PagerEvent event{PagerEvent::Kind::kBroken, IdOf(served)};
    event.reason = why.ToString();
    Tell(served, std::move(event));
  }

  SpaceId IdOf(const Served& served) const {
    const auto found =
        std::ranges::find_if(spaces_, [&](const auto& one) { return one.second.get() == &served; });
    return found == spaces_.end() ? 0 : found->first;
  }

  void Retry() {
    for (auto& [id, served] : spaces_) {
      std::vector<uint64_t> waiting;
      waiting.swap(served->waiting);
      for (const uint64_t address : waiting) Answer(*served, address);
    }
  }

  // A piece of what nobody has asked for, of one space in turn.
  void FillOne() {
    auto at = spaces_.upper_bound(turn_);
    for (size_t i = 0; i < spaces_.size(); ++i, ++at) {
      if (at == spaces_.end()) at = spaces_.begin();
      Served& served = *at->second;
      if (!served.filling || served.missing.empty() || served.broken || served.gone) continue;
      turn_ = at->first;
      const auto range = NextOf(served);
      if (!range) return;
      const Filled filled = Bring(served, *range);
      GODWIT_FAULT(kFilling);
      served.stalled = filled != Filled::kDone;
      if (filled != Filled::kAgain) served.next = range->address + range->bytes;
      return;
    }
  }

  static std::optional<PageRange> NextOf(Served& served) {
    while (served.next_first < served.first.size()) {
      if (auto range = served.missing.At(served.first[served.next_first++], kLeastStep))
        return range;
    }
    return served.missing.From(served.next, kMostStep);
  }

  void Probe() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_probe_) return;
    next_probe_ = now + std::chrono::milliseconds(kProbeEvery);
    for (auto& [id, served] : spaces_) served->gone |= !IsThere(served->uffd.get());
  }

  void Settle() {
    for (auto at = spaces_.begin(); at != spaces_.end();) {
      Served& served = *at->second;
      if (served.gone) {
        Tell(served, {PagerEvent::Kind::kGone, at->first});
        at = Erase(at);
        continue;
      }
      if (served.missing.empty() && !served.resident && !served.broken) {
        served.resident = true;
        Tell(served, {PagerEvent::Kind::kResident, at->first});
      }
      ++at;
    }
  }

  Fd poll_;
  Fd wake_;
  std::mutex mutex_;
  std::map<SpaceId, std::unique_ptr<Served>> spaces_;
  SpaceId last_ = kWake;
  SpaceId turn_ = kWake;
  std::chrono::steady_clock::time_point next_probe_ = {};
  std::vector<PagerEvent> told_;  // outside of the lock, to `observers_`
  std::vector<std::function<void(PagerEvent)>> observers_;
  std::string buffer_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Pager>> Pager::Start() {
  const Fd trial(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  if (!trial) return FailErrno(errno, "this kernel has no userfaultfd");
  GODWIT_TRY(AgreeOnEvents(trial.get()));
  Fd poll(::epoll_create1(EPOLL_CLOEXEC));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!poll || !wake) return FailErrno(errno, "cannot start the pager");
  epoll_event interest = {};
  interest.events = EPOLLIN;
  interest.data.u64 = kWake;
  if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, wake.get(), &interest) != 0)
    return FailErrno(errno, "cannot start the pager");
  return std::make_unique<Thread>(std::move(poll), std::move(wake));
}

}  // namespace godwit::checkpoint
