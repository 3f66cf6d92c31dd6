#pragma once

// The memory of an instance that is still on disk while its process runs.
//
// It comes as it is touched, and by itself as fast as it can (checkpoint/pager.h); the sandbox's
// init holds what must not be let go of before the processes are dead. Only when all is there may
// the instance be put away again: a dump would take what is missing for zeros. Threads: the loop,
// but for Serve() and Fill(). Lifetime: Drop() when the processes are dead and before the walls go.
// Failure: content that cannot be read is told to `broken`, who has to end the processes.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/image.h"
#include "checkpoint/pager.h"
#include "functions/workplace.h"

namespace godwit::functions {

class MissingPages {
 public:
  using Broken = std::function<void(std::string)>;

  MissingPages(Workplace& workplace, Broken broken);
  MissingPages(const MissingPages&) = delete;
  MissingPages& operator=(const MissingPages&) = delete;
  ~MissingPages();

  // On a thread of the pool, while CRIU restores into `walls`: serves the process's userfaultfd.
  // Nothing comes by itself before Fill().
  Result<> Serve(sandbox::Sandbox& walls, Fd uffd, const checkpoint::FetchedImage& image);
  void Fill();

  // Waits until all is there, or nobody is who misses it.
  boost::asio::awaitable<void> AllThere();
  bool none() const { return spaces_.empty(); }
  // Bytes.
  uint64_t left() const;
  // Of processes that are dead; nobody speaks to the walls any more.
  boost::asio::awaitable<void> Drop();

 private:
  struct Alive {};  // while somebody is here to be told
  void Observe(checkpoint::PagerEvent event);
  void Forget(checkpoint::SpaceId space);
  void LetGo();
  // Whatever it says to the walls.
  boost::asio::awaitable<Result<>> Say(boost::asio::awaitable<Result<>> word);
  std::function<void(checkpoint::PagerEvent)> Observer();

  Workplace& workplace_;
  Broken broken_;
  sandbox::Sandbox* walls_ = nullptr;
  std::vector<checkpoint::SpaceId> spaces_;
  boost::asio::steady_timer changed_;  // cancelled when a space is gone, or a word was said
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
  int saying_ = 0;
};

}  // namespace godwit::functions
