#pragma once

// The log of one instance: what its function writes to standard output and error, in a file inside
// its sandbox.
//
// A file, because a file survives suspension, a restart of the node and a reboot. It may not change
// while the instance is put away (CRIU compares its size); Trim() is for running instances.
// Threads: the loop; the calls are short. Failure: what cannot be read is empty.
#include <cstdint>
#include <string>

#include "base/fd.h"

namespace godwit::functions {

class RunningLog {
 public:
  static constexpr uint64_t kMaxBytes = 16 << 20;
  static constexpr uint64_t kKeptBytes = 1 << 20;  // of the newest, when it is trimmed

  void Open(const std::string& instance_directory);
  uint64_t size() const;
  // The last `limit` bytes of what was written since `from`.
  std::string Tail(uint64_t from, size_t limit) const;
  // Drops all but the newest part of a log that has grown too long; true if it did.
  bool Trim() const;
  // Gives it the size that a dumped process expects, after a power cut took some of it.
  void SetSize(uint64_t bytes) const;

 private:
  Fd fd_;
};

}  // namespace godwit::functions
