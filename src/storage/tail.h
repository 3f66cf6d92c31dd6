#pragma once

// The end of a content that can be read only once, from front to back: what a walk over files
// yields.
//
// Chunks of a blob are worked on side by side; a Tail lets each wait for its turn to read. Threads:
// any, concurrently, as long as pieces are begun in order (crew.h). Failure: what `read` says, from
// then on; kClosing after GiveUp().
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/error.h"

namespace godwit::storage {

class Tail {
 public:
  Tail() = default;
  // `read` fills what it is given with what comes next; it is never called twice at a time.
  Tail(uint64_t bytes, std::function<Result<>(std::span<char>)> read)
      : bytes_(bytes), read_(std::move(read)) {}
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;
  ~Tail() = default;

  uint64_t bytes() const { return bytes_; }

  // Reads the piece that begins at `at`, when all before it were read.
  Result<> Read(uint64_t at, std::span<char> into) {
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [&] { return error_ || at_ == at; });
    if (!error_) {
      if (Result<> done = read_(into); !done) error_ = failure_ = std::move(done).error();
      at_ += into.size();
      turn_.notify_all();
    }
    if (error_) return std::unexpected(*error_);
    return {};
  }

  // Ends the reading: nobody waits for a piece that will not be read.
  void GiveUp() {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = Error(Code::kClosing, "the reading was given up");
    turn_.notify_all();
  }

  // What `read` failed with, when all pieces have ended.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  uint64_t bytes_ = 0;
  std::function<Result<>(std::span<char>)> read_;
  std::mutex mutex_;
  std::condition_variable turn_;
  uint64_t at_ = 0;             // guarded by mutex_: where the next piece begins
  std::optional<Error> error_;  // guarded by mutex_: no piece is read any more
  std::optional<Error> failure_;
};

}  // namespace godwit::storage
