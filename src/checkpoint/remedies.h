#pragma once

// What stands in the way of a checkpoint, and what its owner can do about it.
//
// A reason comes from Godwit's own looks or from CRIU, in words; here it gets a name that a program
// can rely on, and a way out where CRIU tells none. Threads: any. Failure: none; what is not known
// is an obstacle of the kind "other", and may have no fix.
#include <string>
#include <string_view>

namespace godwit::checkpoint {

struct Obstacle {
  std::string kind;  // stable: "mptcp", "io_uring", "inotify"
  std::string what;  // "descriptor 5 of process 100 (python3) is an MPTCP socket"
  std::string fix;   // "close it before you wait"; may be empty

  std::string Text() const { return fix.empty() ? what : what + " (" + fix + ")"; }
  bool operator==(const Obstacle&) const = default;
};

// "reason (what to do)", as every error has it, or the bare words of CRIU.
Obstacle ObstacleOf(std::string_view reason);

}  // namespace godwit::checkpoint
