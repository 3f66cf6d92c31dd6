#include "functions/missing_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;
using checkpoint::PagerEvent;
using checkpoint::SpaceId;

MissingPages::MissingPages(Workplace& workplace, Broken broken)
    : workplace_(workplace),
      broken_(std::move(broken)),
      changed_(workplace.executor, asio::steady_timer::time_point::max()) {}

MissingPages::~MissingPages() { LetGo(); }

asio::awaitable<Result<>> MissingPages::Say(asio::awaitable<Result<>> word) {
  ++saying_;
  Result<> said = co_await std::move(word);
  --saying_;
  changed_.cancel();
  co_return said;
}

// The pager's word, on its thread, is handed on to the loop, where this may be gone meanwhile.
std::function<void(PagerEvent)> MissingPages::Observer() {
  return [this, executor = workplace_.executor,
          alive = std::weak_ptr<Alive>(alive_)](PagerEvent event) {
    auto shared = std::make_shared<PagerEvent>(std::move(event));
    asio::post(executor, [this, alive, shared] {
      if (alive.lock()) Observe(std::move(*shared));
    });
  };
}

Result<> MissingPages::Serve(sandbox::Sandbox& walls, Fd uffd,
                             const checkpoint::FetchedImage& image) {
  const int flags = ::fcntl(uffd.get(), F_GETFL);
  Fd copy(::fcntl(uffd.get(), F_DUPFD_CLOEXEC, 0));
  if (flags < 0 || ::fcntl(uffd.get(), F_SETFL, flags | O_NONBLOCK) != 0 || !copy)
    return FailErrno(errno, "cannot keep a userfaultfd");
  checkpoint::Space space;
  space.uffd = std::move(uffd);
  space.ranges = image.late->late;
  space.source = image.source;
  space.fill = checkpoint::Space::Fill::kNever;
  space.observer = Observer();
  const SpaceId id = workplace_.pager->Serve(std::move(space));
  // Before its process runs, whoever survives this node holds it, too.
  auto held = asio::co_spawn(
      workplace_.executor,
      [](MissingPages* self, sandbox::Sandbox* into, SpaceId key,
         Fd fd) -> asio::awaitable<Result<>> {
        self->walls_ = into;
        self->spaces_.push_back(key);
        co_return co_await self->Say(into->Hold(key, std::move(fd)));
      }(this, &walls, id, std::move(copy)),
      asio::use_future);
  return held.get();
}

void MissingPages::Fill() {
  asio::post(workplace_.executor, [this, alive = std::weak_ptr<Alive>(alive_)] {
    if (!alive.lock()) return;
    for (const SpaceId space : spaces_) workplace_.pager->FillUp(space);
  });
}

void MissingPages::Observe(PagerEvent event) {
  if (std::ranges::find(spaces_, event.space) == spaces_.end() &&
      event.kind != PagerEvent::Kind::kForked) {
    return;
  }
  switch (event.kind) {
    case PagerEvent::Kind::kForked:
      spaces_.push_back(event.space);
      asio::co_spawn(workplace_.executor, Say(walls_->Hold(event.space, std::move(event.copy))),
                     asio::detached);
      break;
    case PagerEvent::Kind::kResident:
    case PagerEvent::Kind::kGone:
      Forget(event.space);
      break;
    case PagerEvent::Kind::kBroken:
      broken_(std::move(event.reason));
      break;
  }
}

// From here on the kernel alone serves its faults.
void MissingPages::Forget(SpaceId space) {
  workplace_.pager->Drop(space);
  std::erase(spaces_, space);
  asio::co_spawn(workplace_.executor, Say(walls_->LetGo(space)), asio::detached);
  if (spaces_.empty()) changed_.cancel();
}

asio::awaitable<void> MissingPages::AllThere() {
  for (const SpaceId space : spaces_) workplace_.pager->FillUp(space);
  while (!spaces_.empty()) co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

uint64_t MissingPages::left() const {
  uint64_t bytes = 0;
  for (const SpaceId space : spaces_) {
    if (const auto state = workplace_.pager->Look(space)) bytes += state->bytes_left;
  }
  return bytes;
}

void MissingPages::LetGo() {
  for (const SpaceId space : spaces_) workplace_.pager->Drop(space);
  spaces_.clear();
  walls_ = nullptr;
  alive_ = std::make_shared<Alive>();
  changed_.cancel();
}

asio::awaitable<void> MissingPages::Drop() {
  LetGo();
  while (saying_ > 0) co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace godwit::functions
