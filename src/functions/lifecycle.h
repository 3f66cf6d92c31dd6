#pragma once

// The life of an instance, as one table.
//
//   STARTING -> READY <-> BUSY -> BLOCKED -> SUSPENDED <-> RESUMING -> BUSY or READY
//   READY, BUSY, BLOCKED <-> FROZEN, SPILLED -> SUSPENDED
//   FROZEN <-> RESUMING   (a container that the Docker Engine pauses)
//   any -> STOPPED (on purpose, or the function ended) or LOST (with the node that ran it, or a
//   broken image)
//   SUSPENDED -> MOVED (another node of the site has it now)
//
// READY, BUSY and BLOCKED may be put away: a ready one because it is idle, a busy one by hand, a
// blocked one because it waits. There are three tiers of that, docs/tiers.md has what each costs.
// Nothing changes state but through Lifecycle::Move, and every move is handed to the observer, who
// journals it. Threads: the loop. Failure: a move that the table lacks is kInternal and changes
// nothing.
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "placement/tier.h"

namespace godwit::functions {

#define GODWIT_STATES(X)                                                \
  X(kStarting, "STARTING", "walls go up, the runtime starts")           \
  X(kReady, "READY", "waits for a call, in memory")                     \
  X(kBusy, "BUSY", "runs a call")                                       \
  X(kBlocked, "BLOCKED", "its call waits for something, in memory")     \
  X(kSuspended, "SUSPENDED", "on disk; no process, no memory")          \
  X(kResuming, "RESUMING", "on its way back from disk")                 \
  X(kStopped, "STOPPED", "ended")                                       \
  X(kLost, "LOST", "gone without an image to bring it back from")       \
  X(kFrozen, "FROZEN", "in memory, without a processor")                \
  X(kSpilled, "SPILLED", "its processes wait, their memory is on disk") \
  X(kMoved, "MOVED", "lives on another node")

enum class State {
#define X(name, text, meaning) name,
  GODWIT_STATES(X)
#undef X
};

std::string_view ToString(State state);

using placement::Tier;
State StateOf(Tier tier);  // where it is put away

bool MayMove(State from, State to);

struct Transition {
  InstanceId instance;
  State from;
  State to;
  WallTime at;
  std::string reason;
};

class Lifecycle {
 public:
  using Observer = std::function<void(const Transition&)>;
  // An instance that begins at `state`: STARTING, or SUSPENDED for one found on disk.
  Lifecycle(InstanceId instance, State state, const Clock& clock, Observer observer);

  State state() const { return state_; }
  WallTime since() const { return since_; }
  Result<> Move(State to, std::string reason);

 private:
  InstanceId instance_;
  State state_;
  const Clock& clock_;
  WallTime since_;
  Observer observer_;
};

}  // namespace godwit::functions
