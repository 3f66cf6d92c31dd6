#include "functions/paged_memory.h"

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <set>

#include "base/try.h"
#include "checkpoint/calls.h"

namespace godwit::functions {

namespace asio = boost::asio;
using checkpoint::PagerEvent;
using checkpoint::SpaceId;

PagedMemory::PagedMemory(Workplace& workplace, sandbox::Sandbox& walls,
                         std::function<void(const std::string&)> broken)
    : work_(workplace),
      walls_(walls),
      broken_(std::move(broken)),
      self_(std::make_shared<PagedMemory*>(this)),
      changed_(workplace.executor, asio::steady_timer::time_point::max()),
      gate_(workplace.executor) {}

PagedMemory::~PagedMemory() {
  *self_ = nullptr;
  for (const auto& [space, key] : spaces_) work_.pager->Drop(space);
}

std::future<Result<>> PagedMemory::OnLoop(std::function<asio::awaitable<Result<>>()> step) {
  auto word = std::make_shared<std::promise<Result<>>>();
  asio::post(work_.executor, [this, word, step = std::move(step)]() mutable {
    const auto begun = gate_.Spawn([](auto todo, auto said) -> asio::awaitable<void> {
      said->set_value(co_await todo());
    }(std::move(step), word));
    if (!begun) word->set_value(std::unexpected(begun.error()));
  });
  return word->get_future();
}

// The pager's word, on its thread, is handed on to the loop, where this may be gone meanwhile.
std::function<void(PagerEvent)> PagedMemory::Observer() {
  return [self = self_, executor = work_.executor](PagerEvent event) {
    auto shared = std::make_shared<PagerEvent>(std::move(event));
    asio::post(executor, [self, shared] {
      if (*self != nullptr) (*self)->Hear(std::move(*shared));
    });
  };
}

Result<> PagedMemory::Serve(Fd uffd, const checkpoint::FetchedImage& image) {
  const int flags = ::fcntl(uffd.get(), F_GETFL);
  Fd copy(::fcntl(uffd.get(), F_DUPFD_CLOEXEC, 0));
  if (flags < 0 || ::fcntl(uffd.get(), F_SETFL, flags | O_NONBLOCK) != 0 || !copy)
    return FailErrno(errno, "cannot keep a userfaultfd");
  checkpoint::Space space;
  space.uffd = std::move(uffd);
  space.ranges = image.late->late;
  space.source = image.source;
  space.fill = checkpoint::Space::Fill::kNever;
  space.first = image.late->first;
  space.observer = Observer();
  const auto given =
      std::make_shared<std::pair<checkpoint::Space, Fd>>(std::move(space), std::move(copy));
  held_ =
      OnLoop([this, given] { return Begin(std::move(given->first), std::move(given->second)); });
  return {};
}

asio::awaitable<Result<>> PagedMemory::Begin(checkpoint::Space space, Fd copy) {
  filling_ = false;
  working_set_ = space.first;
  const uint64_t key = ++last_key_;
  spaces_[work_.pager->Serve(std::move(space))] = key;
  co_return co_await walls_.Hold(key, std::move(copy));
}

Result<> PagedMemory::AwaitHeld() { return held_.valid() ? held_.get() : Result<>{}; }

void PagedMemory::ItRuns(Nanos later) {
  asio::post(work_.executor, [self = self_, later, executor = work_.executor] {
    if (*self == nullptr) return;
    if (later == Nanos(0)) return (*self)->FillUp();
    const auto timer = std::make_shared<asio::steady_timer>(executor, later);
    timer->async_wait([self, timer](const boost::system::error_code&) {
      if (*self != nullptr) (*self)->FillUp();
    });
  });
}

asio::awaitable<Result<PagedMemory::Done>> PagedMemory::Spill(std::vector<int> pids,
                                                              Nanos clock_offset) {
  if (work_.pager == nullptr) co_return Fail(Code::kUnsupported, "this node has no pager");
  if (!whole()) co_return Fail(Code::kBusy, "its memory is still on its way back");
  filling_ = false;
  spilling_ = true;
  checkpoint::Spilled spilled;
  const uint64_t first_key = last_key_ + 1;
  const auto done = co_await Offload(work_.pool, [&]() -> Result<> {
    GODWIT_TRY(checkpoint::CheckCalls(pids));
    const auto hold = [&](Fd given) {
      const auto copy = std::make_shared<Fd>(std::move(given));
      return OnLoop([this, copy] { return walls_.Hold(++last_key_, std::move(*copy)); }).get();
    };
    const checkpoint::SpillRequest request{pids,         clock_offset,  work_.directories.instances,
                                           *work_.pager, work_.entropy, hold,
                                           Observer()};
    return checkpoint::Spill(request, spilled);
  });
  spilling_ = false;
  for (size_t i = 0; i < spilled.spaces.size(); ++i) spaces_[spilled.spaces[i]] = first_key + i;
  std::vector<PagerEvent> early;
  early.swap(early_);
  for (PagerEvent& event : early) Hear(std::move(event));
  if (!done) {
    FillUp();
    co_return std::unexpected(done.error());
  }
  co_return Done{spilled.bytes, spilled.stood_still};
}

void PagedMemory::Hear(PagerEvent event) {
  if (spilling_) {
    early_.push_back(std::move(event));
    return;
  }
  switch (event.kind) {
    case PagerEvent::Kind::kForked:
      static_cast<void>(gate_.Spawn(Adopt(event.space, std::move(event.copy))));
      break;
    case PagerEvent::Kind::kResident:
    case PagerEvent::Kind::kGone:
      static_cast<void>(gate_.Spawn(LetGo(event.space)));
      break;
    case PagerEvent::Kind::kBroken:
      why_broken_ = event.reason;
      changed_.cancel();
      broken_(event.reason);
      break;
  }
}

asio::awaitable<void> PagedMemory::Adopt(SpaceId space, Fd copy) {
  const uint64_t key = ++last_key_;
  spaces_[space] = key;
  if (filling_) work_.pager->FillUp(space);
  const auto held = co_await walls_.Hold(key, std::move(copy));
  if (!held && held.error().code() != Code::kClosing)
    broken_("the memory of a new process cannot be held: " + held.error().ToString());
}

// What was asked for in spite of what came first of itself belongs to it, too.
void PagedMemory::Learn(SpaceId space) {
  const auto state = work_.pager->Look(space);
  if (!state) return;
  std::set<uint64_t> known(working_set_.begin(), working_set_.end());
  for (const uint64_t page : state->touched) {
    if (working_set_.size() == checkpoint::kMostFirst) return;
    if (known.insert(page).second) working_set_.push_back(page);
  }
}

// First by who survives this process: as long as somebody is served, nobody is to hold it alone.
asio::awaitable<void> PagedMemory::LetGo(SpaceId space) {
  const auto found = spaces_.find(space);
  if (found == spaces_.end()) co_return;
  static_cast<void>(co_await walls_.LetGo(found->second));
  Learn(space);
  work_.pager->Drop(space);
  spaces_.erase(space);
  changed_.cancel();
}

void PagedMemory::FillUp() {
  filling_ = true;
  for (const auto& [space, key] : spaces_) work_.pager->FillUp(space);
}

asio::awaitable<Result<>> PagedMemory::MakeWhole() {
  FillUp();
  while (!spaces_.empty() && why_broken_.empty())
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!why_broken_.empty())
    co_return Fail(Code::kCorrupt, "its memory cannot be brought back: {}", why_broken_);
  co_return Result<>{};
}

uint64_t PagedMemory::bytes_left() const {
  uint64_t bytes = 0;
  for (const auto& [space, key] : spaces_) {
    if (const auto state = work_.pager->Look(space)) bytes += state->bytes_left;
  }
  return bytes;
}

asio::awaitable<void> PagedMemory::Close() {
  *self_ = nullptr;
  co_await gate_.Drain();
}

}  // namespace godwit::functions
