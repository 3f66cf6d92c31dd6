#pragma once

// Whether what a thread of a stopped instance waits for has come in the last moment.
//
// What came after the look that said BLOCKED, and before the processes stood still, would lie on
// disk with them, and nothing would bring them back for it. Reads the dumped registers, before
// ReadWaits() changes them. x86-64 only; elsewhere nothing is found. Threads: the pool; the
// processes are stopped. Failure: kCorrupt for images that cannot be read; a descriptor that cannot
// be looked at is not ready.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/waits.h"

namespace godwit::checkpoint {

struct Ready {
  std::string what;  // "descriptor 3 of process 100 has something to read"
  // The dump can be undone: no thread is in a call that being stopped has ended.
  bool can_go_on = true;
};

namespace image {
class Registers;
}

// What a thread waits for of one descriptor, as poll(2) has it.
struct Awaited {
  int descriptor;
  short events;
};
// Of a thread of `process` that is in a call; `peek` reads its memory.
std::vector<Awaited> AwaitedBy(int process, const image::Registers& registers, const Peek& peek);

// `outside` maps pids inside to pids on the host. `come`, if not empty, has come already.
Result<std::optional<Ready>> FindReady(const std::string& images, const std::map<int, int>& outside,
                                       const Peek& peek, const std::string& come = "");

}  // namespace godwit::checkpoint
