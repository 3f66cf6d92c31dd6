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
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/fault.h"
#include "base/try.h"
#include "checkpoint/uffd.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kLeastStep = 4 * kPage;
constexpr uint64_t kMostStep = 256 * kPage;
constexpr uint64_t kSlice = 32 * kPage;  // filled at once: whoever misses a page waits that long
constexpr unsigned kMostFillers = 4;
constexpr int kProbeEvery = 2000;  // milliseconds: whether the processes are there still
constexpr int kSoon = 1;           // milliseconds, when an event is on its way
constexpr SpaceId kWake = 0;       // no space

// One space and how far it is. Guarded by the pager's mutex, but for what never changes.
struct Served {
  SpaceId id = 0;
  Fd uffd;
  std::shared_ptr<PageSource> source;
  std::function<void(PagerEvent)> observer;
  PageMap missing;
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
  bool dropped = false;
  unsigned inside = 0;     // threads at work on it, without the mutex
  unsigned fillers = 0;    // of those
  unsigned putting = 0;    // of those: who puts pages there
  bool listening = false;  // nobody may begin to
  uint64_t changes = 0;    // of its mappings: what was planned before is not to be done
};
using Handle = std::shared_ptr<Served>;

// How much of it was put, from the front.
struct Put {
  uint64_t bytes = 0;
  Filled what = Filled::kDone;
  std::optional<Error> broken = {};
};

// Nothing that is to come is ever given up here: where it cannot be put, because nothing is mapped
// there any more, an event says so. kUnmapped if the first page cannot.
Put PutThere(int uffd, uint64_t address, std::span<const char> content) {
  uint64_t most = content.size();  // at once: a run of pages may lie in several mappings
  uint64_t at = 0;
  while (at < content.size()) {
    const uint64_t size = std::min(most, content.size() - at);
    const Result<Placed> placed = CopyPages(uffd, address + at, content.subspan(at, size));
    if (!placed) return {at, Filled::kDone, placed.error()};
    at += placed->bytes;
    if (placed->bytes > 0) continue;
    if (placed->what == Filled::kThere) {
      at += kPage;
    } else if (placed->what != Filled::kUnmapped) {
      return {at, placed->what};
    } else if (most > kPage) {
      most = kPage;
    } else {
      return {at, at == 0 ? placed->what : Filled::kDone};
    }
  }
  return {at};
}

// The thread that answers who misses a page, and its fillers, who bring what nobody has asked for.
//
// A filler reads without the mutex, and so do both put. Events of a space are read only while no
// filler puts anything there: what it has planned by what was true before an event is not put after
// the event was read, for the kernel does the rest of the change then.
class Thread : public Pager {
 public:
  Thread(Fd poll, Fd wake)
      : poll_(std::move(poll)), wake_(std::move(wake)), thread_([this] { Run(); }) {
    const unsigned fillers = std::clamp(std::thread::hardware_concurrency(), 1U, kMostFillers);
    for (unsigned i = 0; i < fillers; ++i) fillers_.emplace_back([this] { FillAll(); });
  }

  ~Thread() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    to_fill_.notify_all();
    changed_.notify_all();
    Wake();
    thread_.join();
    for (std::thread& filler : fillers_) filler.join();
  }

  SpaceId Serve(Space space) override {
    auto served = std::make_shared<Served>();
    served->uffd = std::move(space.uffd);
    served->missing = PageMap(space.ranges);
    served->source = std::move(space.source);
    served->observer = std::move(space.observer);
    served->filling = space.fill != Space::Fill::kNever;
    served->first = std::move(space.first);
    const std::lock_guard lock(mutex_);
    const SpaceId id = Add(std::move(served));
    to_fill_.notify_all();
    Wake();
    return id;
  }

  void FillUp(SpaceId space) override {
    const std::lock_guard lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end() || found->second->filling) return;
    found->second->filling = true;
    to_fill_.notify_all();
  }

  void Drop(SpaceId space) override {
    std::unique_lock lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end()) return;
    const Handle served = found->second;
    Erase(found);
    changed_.wait(lock, [&] { return served->inside == 0; });
  }

  std::optional<PagerState> Look(SpaceId space) override {
    const std::lock_guard lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end()) return std::nullopt;
    const Served& served = *found->second;
    return PagerState{served.faults, served.missing.bytes(), served.touched};
  }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void Wake() {
    const uint64_t one = 1;
    static_cast<void>(::write(wake_.get(), &one, sizeof one));
  }

  // Locked, as all that follows where nothing else is said.
  SpaceId Add(Handle served) {
    const SpaceId id = ++last_;
    served->id = id;
    epoll_event interest = {};
    interest.events = EPOLLIN;
    interest.data.u64 = id;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, served->uffd.get(), &interest);
    spaces_.emplace(id, std::move(served));
    return id;
  }

  // Closing it is not enough while somebody holds a copy.
  using Spaces = std::map<SpaceId, Handle>;
  Spaces::iterator Erase(Spaces::iterator at) {
    at->second->dropped = true;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, at->second->uffd.get(), nullptr);
    return spaces_.erase(at);
  }

  // Not locked.
  void Run() {
    std::array<epoll_event, 16> events;
    while (!stop_) {
      const int count = ::epoll_wait(poll_.get(), events.data(), events.size(), Pause());
      std::vector<PagerEvent> told;
      std::vector<std::function<void(PagerEvent)>> observers;
      {
        Lock lock(mutex_);
        for (int i = 0; i < count; ++i) {
          if (events[static_cast<size_t>(i)].data.u64 == kWake) {
            uint64_t ignored = 0;
            static_cast<void>(::read(wake_.get(), &ignored, sizeof ignored));
          } else {
            Listen(events[static_cast<size_t>(i)].data.u64, lock);
          }
        }
        Retry(lock);
        Probe();
        Settle();
        told.swap(told_);
        observers.swap(observers_);
      }
      for (size_t i = 0; i < told.size(); ++i) observers[i](std::move(told[i]));
    }
  }

  // Not locked.
  int Pause() {
    const std::lock_guard lock(mutex_);
    int pause = spaces_.empty() ? -1 : kProbeEvery;
    for (const auto& [id, served] : spaces_) {
      if (!served->broken && (!served->waiting.empty() || served->stalled))
        pause = std::min(pause, kSoon);
    }
    return pause;
  }

  void Tell(const Served& served, PagerEvent event) {
    if (!served.observer) return;
    observers_.push_back(served.observer);
    told_.push_back(std::move(event));
  }

  void Listen(SpaceId id, Lock& lock) {
    const auto found = spaces_.find(id);
    if (found == spaces_.end()) return;
    const Handle served = found->second;
    // One at a time: what an event changes comes before the fault that was told behind it.
    while (!served->dropped && !stop_) {
      const auto missed = Hear(*served, lock);
      if (!missed) return;
      if (*missed == kNoPage) continue;
      ++served->faults;
      Answer(*served, *missed, lock);
    }
  }

  // The next message, which may be an event: kNoPage. Else whose page is missed.
  static constexpr uint64_t kNoPage = UINT64_MAX;
  std::optional<uint64_t> Hear(Served& served, Lock& lock) {
    served.listening = true;
    changed_.wait(lock, [&] { return served.putting == 0; });
    uffd_msg message = {};
    const bool heard =
        ::read(served.uffd.get(), &message, sizeof message) == static_cast<ssize_t>(sizeof message);
    std::optional<uint64_t> missed;
    if (heard) {
      missed = kNoPage;
      switch (message.event) {
        case UFFD_EVENT_PAGEFAULT:
          missed = message.arg.pagefault.address & ~(kPage - 1);
          break;
        case UFFD_EVENT_FORK:
          Fork(served, Fd(static_cast<int>(message.arg.fork.ufd)));
          break;
        case UFFD_EVENT_REMAP:
          ++served.changes;
          served.missing.Move(message.arg.remap.from, message.arg.remap.to, message.arg.remap.len);
          break;
        case UFFD_EVENT_REMOVE:
        case UFFD_EVENT_UNMAP:
          ++served.changes;
          served.missing.Remove(message.arg.remove.start,
                                message.arg.remove.end - message.arg.remove.start);
          break;
        default:
          break;
      }
    }
    served.listening = false;
    changed_.notify_all();
    return missed;
  }

  void Fork(const Served& served, Fd uffd) {
    auto child = std::make_shared<Served>();
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
    to_fill_.notify_all();
    PagerEvent event{PagerEvent::Kind::kForked, id, served.id};
    event.copy = std::move(copy);
    Tell(served, std::move(event));
  }

  // Brings the page at `address`, and those behind it while they are asked for in a row. Reads no
  // event meanwhile.
  void Answer(Served& served, uint64_t address, Lock& lock) {
    if (served.broken) return;
    if (served.touched.size() < kMostTouched) served.touched.push_back(address);
    served.step =
        address == served.end ? std::min(served.step * 2, kMostStep) : served.source->Step();
    Filled filled = Filled::kDone;
    ++served.inside;
    if (const auto range = served.missing.At(address, served.step)) {
      lock.unlock();
      if (missed_.size() < range->bytes) missed_.resize(range->bytes);
      const std::span<char> content(missed_.data(), range->bytes);
      const Result<> read = served.source->Read(range->offset, content);
      const Put put = read ? PutThere(served.uffd.get(), range->address, content)
                           : Put{0, Filled::kDone, read.error()};
      lock.lock();
      filled = Note(served, range->address, put);
      served.end = address + range->bytes;
    } else {
      const Result<Placed> zeros = ZeroPages(served.uffd.get(), address, kPage);
      filled =
          Note(served, address, zeros ? Put{0, zeros->what} : Put{0, Filled::kDone, zeros.error()});
    }
    --served.inside;
    changed_.notify_all();
    if (filled == Filled::kAgain) served.waiting.push_back(address);
    // Mapped anew since, or not at all: it finds out by trying again.
    if (filled == Filled::kUnmapped) WakePages(served.uffd.get(), address, kPage);
  }

  Filled Note(Served& served, uint64_t address, const Put& put) {
    if (put.bytes > 0) served.missing.Remove(address, put.bytes);
    if (put.what == Filled::kGone) served.gone = true;
    if (put.broken) Break(served, *put.broken);
    return put.what;
  }

  void Break(Served& served, const Error& why) {
    if (served.broken) return;
    served.broken = true;
    PagerEvent event{PagerEvent::Kind::kBroken, served.id};
    event.reason = why.ToString();
    Tell(served, std::move(event));
  }

  void Retry(Lock& lock) {
    std::vector<Handle> all;
    bool stalled = false;
    for (auto& [id, served] : spaces_) {
      stalled |= std::exchange(served->stalled, false);
      if (!served->waiting.empty()) all.push_back(served);
    }
    if (stalled) to_fill_.notify_all();
    for (const Handle& served : all) {
      std::vector<uint64_t> waiting;
      waiting.swap(served->waiting);
      for (const uint64_t address : waiting) {
        if (!served->dropped) Answer(*served, address, lock);
      }
    }
  }

  // What a filler does, not locked.
  void FillAll() {
    std::string buffer(kSlice, '\0');
    Lock lock(mutex_);
    while (!stop_) {
      if (const Handle served = NextToFill()) {
        FillSome(*served, buffer, lock);
      } else {
        to_fill_.wait(lock);
      }
    }
  }

  // One space in turn.
  Handle NextToFill() {
    auto at = spaces_.upper_bound(turn_);
    for (size_t i = 0; i < spaces_.size(); ++i, ++at) {
      if (at == spaces_.end()) at = spaces_.begin();
      const Served& served = *at->second;
      if (!served.filling || served.missing.empty() || served.broken || served.gone ||
          served.stalled)
        continue;
      // What is left may be what others are about to bring.
      const bool last = served.next_first == served.first.size() &&
                        served.missing.From(served.next, kPage)->address < served.next;
      if (last && served.fillers > 0) continue;
      turn_ = at->first;
      return at->second;
    }
    return nullptr;
  }

  void FillSome(Served& served, std::string& buffer, Lock& lock) {
    const PageRange range = NextOf(served);
    const uint64_t changes = served.changes;
    ++served.inside;
    ++served.fillers;
    bool goes_on = true;
    for (uint64_t at = 0; at < range.bytes && goes_on; at += buffer.size()) {
      const std::span<char> slice(buffer.data(), std::min(buffer.size(), range.bytes - at));
      lock.unlock();
      const Result<> read = served.source->Read(range.offset + at, slice);
      lock.lock();
      if (!read && !served.dropped) Break(served, read.error());
      changed_.wait(lock, [&] { return !served.listening || stop_; });
      goes_on = !served.broken && !served.dropped && served.changes == changes && !stop_;
      if (!goes_on) break;
      ++served.putting;
      lock.unlock();
      const Put put = PutThere(served.uffd.get(), range.address + at, slice);
      GODWIT_FAULT(kFilling);
      lock.lock();
      --served.putting;
      changed_.notify_all();
      served.stalled |= Note(served, range.address + at, put) != Filled::kDone;
      goes_on = !served.stalled && !served.broken && !served.gone;
    }
    --served.inside;
    --served.fillers;
    changed_.notify_all();
    to_fill_.notify_all();
    if (served.missing.empty() || served.stalled || served.broken || served.gone) Wake();
  }

  static PageRange NextOf(Served& served) {
    while (served.next_first < served.first.size()) {
      if (auto range = served.missing.At(served.first[served.next_first++], kLeastStep))
        return *range;
    }
    const PageRange range = *served.missing.From(served.next, kMostStep);
    served.next = range.address + range.bytes;
    return range;
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
      if (served.gone && served.inside == 0) {
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
  std::condition_variable to_fill_;
  std::condition_variable changed_;  // who is at work on a space, and how
  Spaces spaces_;
  SpaceId last_ = kWake;
  SpaceId turn_ = kWake;
  std::chrono::steady_clock::time_point next_probe_ = {};
  std::vector<PagerEvent> told_;  // outside of the lock, to `observers_`
  std::vector<std::function<void(PagerEvent)>> observers_;
  std::string missed_;  // the thread's own
  std::atomic<bool> stop_ = false;
  std::thread thread_;
  std::vector<std::thread> fillers_;
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
