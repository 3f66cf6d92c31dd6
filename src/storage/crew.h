#pragma once

// A few helper threads for work that falls into equal pieces: hashing, packing and sealing chunks.
//
// The caller works too, so that a crew without helpers, or with all helpers busy elsewhere, is
// merely slower. Threads: any number of callers at once; the helpers go to the oldest call that has
// pieces left. Lifetime: no ForEach() may be under way when it is destroyed. Failure: none; `work`
// must not throw.
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace godwit::storage {

class Crew {
 public:
  explicit Crew(unsigned helpers);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Calls work(i) once for each i < count and returns when all calls have ended. A piece is begun
  // only after all pieces before it were begun, so piece i may wait for piece i - 1.
  void ForEach(size_t count, const std::function<void(size_t)>& work);
  // Threads that may work on one call, the caller included.
  size_t size() const { return helpers_.size() + 1; }

 private:
  struct Job {
    const std::function<void(size_t)>& work;
    size_t count;
    size_t next = 0;    // guarded by mutex_
    size_t inside = 0;  // threads at work on it; guarded by mutex_
  };

  void Help();
  void WorkOn(Job& job, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::condition_variable left_;
  std::list<Job*> jobs_;  // those with pieces left
  bool closing_ = false;
  std::vector<std::thread> helpers_;
};

}  // namespace godwit::storage
