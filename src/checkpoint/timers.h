#pragma once

// The timers in CRIU's images: setitimer, timer_create and timerfds, as they were when CRIU read
// them.
//
// CRIU restores them with the time they had left, as if no time had passed. Threads: the pool.
// Failure: kCorrupt for images that cannot be read.
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/images.pb.h"

namespace godwit::checkpoint {

// How long the first of them had left; none if none runs.
Result<std::optional<Nanos>> NearestTimer(const std::string& images);

// The same of one process alone, without its timerfds.
std::optional<Nanos> NearestTimer(const image::Core& core);

// Takes `away`, the time since CRIU read them, off every one. A call that an overdue timer's signal
// was to interrupt has been interrupted, unless its handler is one that restarts it.
Result<> MendTimers(const std::string& images, Nanos away);

}  // namespace godwit::checkpoint
