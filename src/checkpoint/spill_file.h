#pragma once

// A file for pages that were put away in place: without a name, and sealed under a key that nobody
// else has.
//
// It ends with this process or with its last holder, whichever is first, and nothing of it can be
// read afterwards. Threads: any. Failure: kNoSpace; kCorrupt for a
// page that is not what was written.
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/entropy.h"
#include "base/error.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {

class SpillFile : public PageSource {
 public:
  // In `directory`, by whose disk it is held.
  static Result<std::shared_ptr<SpillFile>> Make(const std::string& directory, Entropy& entropy);
  // Adds whole pages; the offset of the first.
  virtual Result<uint64_t> Append(std::span<const char> pages) = 0;
  virtual uint64_t bytes() const = 0;
};

}  // namespace godwit::checkpoint
