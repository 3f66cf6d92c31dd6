#pragma once

// What a thread needs to work on one chunk, borrowed for the time of it: packing contexts, buffers.
//
// Fresh memory costs more than sealing what is put into it, so benches are kept, as many as threads
// usually work. Threads: Benches any; a Bench one. Lifetime: Benches outlives what it lent.
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/pack.h"

namespace godwit::storage {

struct Bench {
  Packer packer;
  std::string stored;  // a chunk as the disk has it
  std::string plain;   // a chunk as the caller has it, if it has none in one piece
};

class Benches {
 public:
  explicit Benches(size_t kept) : kept_(kept) {}
  Benches(const Benches&) = delete;
  Benches& operator=(const Benches&) = delete;
  ~Benches() = default;

  class Lent {
   public:
    explicit Lent(Benches& owner) : owner_(owner), bench_(owner.Take()) {}
    ~Lent() { owner_.GiveBack(std::move(bench_)); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    Bench& operator*() const { return *bench_; }
    Bench* operator->() const { return bench_.get(); }

   private:
    Benches& owner_;
    std::unique_ptr<Bench> bench_;
  };

 private:
  std::unique_ptr<Bench> Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Bench>();
    auto bench = std::move(free_.back());
    free_.pop_back();
    return bench;
  }
  void GiveBack(std::unique_ptr<Bench> bench) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kept_) free_.push_back(std::move(bench));
  }

  const size_t kept_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Bench>> free_;  // guarded by mutex_
};

}  // namespace godwit::storage
