#pragma once

// The first of the errors that threads meet while they work on pieces of one thing.
//
// Threads: any for Note() and the test; Taken() when all have ended. Failure: none of its own.
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"

namespace godwit::storage {

class FirstError {
 public:
  // True once there is one: further pieces are in vain.
  explicit operator bool() const { return there_.load(std::memory_order_relaxed); }
  void Note(Result<> result) {
    if (result) return;
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(result).error();
    there_.store(true, std::memory_order_relaxed);
  }
  Result<> Taken() {
    if (error_) return std::unexpected(*std::move(error_));
    return {};
  }

 private:
  std::atomic<bool> there_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_ while threads work
};

}  // namespace godwit::storage
