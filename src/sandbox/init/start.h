#pragma once

// Starts processes inside the sandbox: the function, unprivileged and filtered, or a driver such as
// CRIU, privileged.
//
// Threads: init's only one. Failure: a negative errno, with `step` naming what failed; nothing runs
// then.
#include <sys/types.h>

#include <cstdint>

#include "sandbox/init/protocol.h"

namespace godwit::sandbox {

struct Start {
  const Request* request;
  char** argv;
  char** envp;
  const char* cwd;
  const int* fds;  // request->fd_count of them
  int last_pid;    // of Walls
};

// The child's pid inside, or -errno. Returns when the child has become its program, or has failed
// to.
pid_t StartFunction(const Start& start, const char** step);
pid_t StartDriver(const Start& start, const char** step);
// Whoever is started next gets a pid from `next` on; 0: as they come.
void SetNextPid(int last_pid, int32_t next);

}  // namespace godwit::sandbox
