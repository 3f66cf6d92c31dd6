#pragma once

// The memory of one instance of which a part is on disk while its processes live: it was put away
// in place (checkpoint/spill.h), or comes late after a resume (checkpoint/late_memory.h).
//
// What the pager says on its own thread comes to the loop here; each userfaultfd is held by the
// sandbox's process 1 as well, for as long as a page is missing. Only when it is whole() may a dump
// be taken, which would take what is missing for zeros. Threads: the loop, but for Serve() and what
// says so. Lifetime: within that of the sandbox; co_await Close() before the sandbox is destroyed,
// and destroyed after it: only then is everybody dead who could read zeros. Failure: as Spill();
// `broken` is called if a page cannot be brought back: the instance is to be ended.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/gate.h"
#include "checkpoint/image.h"
#include "checkpoint/pager.h"
#include "checkpoint/spill.h"
#include "functions/workplace.h"
#include "sandbox/sandbox.h"

namespace godwit::functions {

class PagedMemory {
 public:
  PagedMemory(Workplace& workplace, sandbox::Sandbox& walls,
              std::function<void(const std::string&)> broken);
  ~PagedMemory();
  PagedMemory(const PagedMemory&) = delete;
  PagedMemory& operator=(const PagedMemory&) = delete;

  struct Done {
    uint64_t bytes = 0;  // that were put away
    Nanos stood_still{};
  };
  // Puts the memory of `pids` away; it must be whole().
  boost::asio::awaitable<Result<Done>> Spill(std::vector<int> pids, Nanos clock_offset);
  // On the pool, while CRIU restores a process: serves its userfaultfd. What is missing comes as it
  // is touched; the rest from ItRuns() on. The process must not run before AwaitHeld().
  Result<> Serve(Fd uffd, const checkpoint::FetchedImage& image);
  // On the pool: that who survives this process holds what Serve() was given.
  Result<> AwaitHeld();
  // On the pool: FillUp(), that much later.
  void ItRuns(Nanos later);
  // From now on the rest comes back by itself.
  void FillUp();
  // The same, and waits until it is there. kCorrupt if it cannot be.
  boost::asio::awaitable<Result<>> MakeWhole();
  bool whole() const { return spaces_.empty(); }
  // Addresses of the pages that were touched first after the ways back, in that order; whole().
  const std::vector<uint64_t>& working_set() const { return working_set_; }
  uint64_t bytes_left() const;  // still to come
  // Nobody is listened to any more.
  boost::asio::awaitable<void> Close();

 private:
  void Hear(checkpoint::PagerEvent event);
  std::function<void(checkpoint::PagerEvent)> Observer();
  boost::asio::awaitable<Result<>> Begin(checkpoint::Space space, Fd copy);
  boost::asio::awaitable<void> Adopt(checkpoint::SpaceId space, Fd copy);
  boost::asio::awaitable<void> LetGo(checkpoint::SpaceId space);
  void Learn(checkpoint::SpaceId space);
  // On the pool: runs `step` on the loop; what comes of it.
  std::future<Result<>> OnLoop(std::function<boost::asio::awaitable<Result<>>()> step);

  Workplace& work_;
  sandbox::Sandbox& walls_;
  std::function<void(const std::string&)> broken_;
  std::future<Result<>> held_;                      // of Serve()
  std::map<checkpoint::SpaceId, uint64_t> spaces_;  // each with the key that it is held under
  uint64_t last_key_ = 0;
  std::vector<uint64_t> working_set_;
  bool filling_ = false;
  bool spilling_ = false;
  std::vector<checkpoint::PagerEvent> early_;  // told before Spill() has returned
  std::string why_broken_;
  std::shared_ptr<PagedMemory*> self_;  // empty inside once it is destroyed
  boost::asio::steady_timer changed_;
  Gate gate_;
};

}  // namespace godwit::functions
