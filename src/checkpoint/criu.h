#pragma once

// CRIU, driven through its RPC: one `criu swrk` process a dump or restore, started inside the
// sandbox by the caller.
//
// All calls block for milliseconds: run them on the pool. Source: criu.org/RPC, CRIU 4.1 and
// later. Failure: the first line that CRIU logged as an error, kUnsupported where it says that it
// cannot carry something, kTimeout where it says nothing for minutes. After a failed dump the
// processes run on as before; after a failed restore none of them exists.
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

namespace godwit::checkpoint {

// A `criu swrk` that has been started.
struct Worker {
  Fd channel;   // the other end of the SOCK_SEQPACKET pair that it has as its descriptor 3
  Fd process;   // pidfd
  int pid = 0;  // on the host
};

// Waits until it has come up: what follows then finds it awake.
Result<> Greet(const Worker& worker);

struct DumpRequest {
  int pid = 0;                 // of the root of the process tree, inside
  std::string images;          // directory, inside
  std::string images_outside;  // the same on the host, for CRIU's log
};

struct DumpHooks {
  // While CRIU prepares, before anybody is stopped. An error here ends the dump.
  std::function<Result<>()> preparing;
  // The processes are about to be stopped, and have just been stopped.
  std::function<void()> stopping;
  std::function<void()> stopped;
  // The image is complete, the processes are still there, stopped. An error here undoes the dump:
  // they run on.
  std::function<Result<>()> dumped;
};

Result<> Dump(const Worker& worker, const DumpRequest& request, const DumpHooks& hooks);

struct RestoreRequest {
  std::string images;
  std::string images_outside;
  bool late = false;  // what FindLateMemory() found is not in the images
};

struct RestoreHooks {
  // While CRIU prepares, before it makes processes. An error here ends the restore.
  std::function<Result<>()> preparing;
  // If `late`: the userfaultfd of the process, whose ranges are not registered yet; it must be
  // served from here on.
  std::function<Result<>(Fd)> missing;
  // The processes exist, with their memory, and have not run yet.
  std::function<Result<>()> before_run;
  // They run.
  std::function<void()> running;
};

// A restore, as far as `before_run`. The worker, and what it has made, may stand so for as long as
// one likes.
Result<> BringUp(const Worker& worker, const RestoreRequest& request, const RestoreHooks& hooks);
// The rest of it: the root's pid, inside.
Result<int> LetRun(const Worker& worker, const RestoreRequest& request, const RestoreHooks& hooks);

}  // namespace godwit::checkpoint
