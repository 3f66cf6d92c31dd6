#pragma once

// CRIU's image of a process tree and of each thread in it, to be read and mended.
//
// Threads: the pool. Failure: kCorrupt for what cannot be read, naming the file.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {

inline constexpr int kX86 = 1;  // of Core::mtype

// The processes of the images in `images`, with the threads that have an image of their own: a
// process that has ended and is not yet waited for may have none.
Result<std::vector<image::Pstree>> ReadTree(const std::string& images);

// Of all processes and threads in them.
Result<int> HighestPid(const std::string& images);

// Reads the image of thread `tid`, and writes it back if `change` returns true.
Result<> ChangeCore(const std::string& images, uint32_t tid,
                    const std::function<bool(image::Core&)>& change);

// One entry of `path`.
template <typename Message>
Result<Message> ParseEntry(const std::string& path, const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes))
    return Fail(Code::kCorrupt, "'{}' holds an entry that cannot be read", path);
  return message;
}

inline constexpr uint64_t MaskOfSignal(int number) { return uint64_t{1} << (number - 1); }

// What process `core` does on signal `number`; none if it is not in the image.
std::optional<image::SignalAction> ActionOn(const image::Core& core, int number);

// The signals that wait for thread `core` and that it does not block, as a mask (bit 0: signal 1).
// `shared` are those that wait for its whole process.
uint64_t DueSignals(const image::Core& core, uint64_t shared);
// The same with those that it blocks.
uint64_t PendingSignals(const image::Core& core, uint64_t shared);
// The signals that thread `core` blocks.
uint64_t BlockedSignals(const image::Core& core);
// Those that wait for the process whose first thread is `core`.
uint64_t SharedSignals(const image::Core& core);

}  // namespace godwit::checkpoint
