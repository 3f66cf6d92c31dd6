#pragma once

// How far an instance is put away. docs/tiers.md has what each tier costs.
//
// Threads: values. Failure: ParseTier() is kInvalid for any other word.
#include <string_view>

#include "base/error.h"

namespace godwit::placement {

// The nearest first.
enum class Tier {
  kAwake,    // whole, and runs when it likes
  kFrozen,   // in memory, without a processor
  kSpilled,  // its processes wait, their memory is on disk
  kDisk,     // nothing of it is in memory
};
std::string_view ToString(Tier tier);  // "awake", "frozen", "spilled", "disk"
// One that somebody can ask for: not "awake".
Result<Tier> ParseTier(std::string_view text);

}  // namespace godwit::placement
