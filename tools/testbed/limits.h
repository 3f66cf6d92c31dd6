#pragma once

// What a path of the test bed does to its frames, and how that is written:
// `rate=1gbit delay=1ms jitter=100us loss=0.01 queue=1M seed=7`.
//
// Threads: values. Failure: kInvalid, naming the setting and what it may be.
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::testbed {

struct Limits {
  uint64_t rate = 0;  // bits a second; 0: none
  Nanos delay{};      // one way
  Nanos jitter{};     // up to so much more or less, evenly; frames never overtake each other
  double loss = 0;    // the part of the frames that is lost, 0 to 1
  uint64_t queue = uint64_t{1} << 20;  // bytes that may wait for their turn at `rate`
  uint64_t seed = 1;                   // of the draws for loss and jitter
};

// Changes in `limits` what `setting` ("rate=1gbit") says.
Result<> Apply(std::string_view setting, Limits& limits);

}  // namespace godwit::testbed
