#pragma once

// Builds the inside of a sandbox, step by step as the node's command line says. Runs once, as
// process 1.
//
// Steps (argv): overlay LOWER UPPER WORK ROOT | bind SRC DST | bind-ro SRC DST | tmpfs DST OPTIONS
// | proc DST | mask NULL DST | read-only DST | dev DST | mkdir DST MODE | copy SRC DST | pivot ROOT
// | hostname NAME | lo | clock SECONDS NANOSECONDS | listen PORT. DST is a path on the host until
// `pivot`; what there is not needs no mask. Failure: false, with errno and `failed_step` set.
#include <span>

namespace godwit::sandbox {

struct Walls {
  int listener = -1;
  int last_pid = -1;  // to write the pid before the next one's to
  const char* failed_step = "";
  const char* failed_operand = "";
};

bool BuildWalls(std::span<char*> steps, Walls& walls);

}  // namespace godwit::sandbox
