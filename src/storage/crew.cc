#include "storage/crew.h"

namespace godwit::storage {

Crew::Crew(unsigned helpers) {
  for (unsigned i = 0; i < helpers; ++i) helpers_.emplace_back([this] { Help(); });
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wanted_.notify_all();
  for (auto& helper : helpers_) helper.join();
}

void Crew::ForEach(size_t count, const std::function<void(size_t)>& work) {
  if (count == 0) return;
  Job job{work, count};
  std::unique_lock lock(mutex_);
  jobs_.push_back(&job);
  if (count > 1) wanted_.notify_all();
  WorkOn(job, lock);
  left_.wait(lock, [&] { return job.inside == 0; });
}

void Crew::Help() {
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
    if (closing_) return;
    WorkOn(*jobs_.front(), lock);
  }
}

void Crew::WorkOn(Job& job, std::unique_lock<std::mutex>& lock) {
  ++job.inside;
  while (job.next < job.count) {
    const size_t piece = job.next++;
    if (job.next == job.count) jobs_.remove(&job);
    lock.unlock();
    job.work(piece);
    lock.lock();
  }
  if (--job.inside == 0) left_.notify_all();
}

}  // namespace godwit::storage
