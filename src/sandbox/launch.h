#pragma once

// Starts an instance's init: new namespaces, one clone, one exec of the program that is embedded in
// this one.
//
// Threads: any. Failure: kDenied without CAP_SYS_ADMIN, kInternal with the kernel's word.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/nursery.h"

namespace godwit::sandbox {

struct Init {
  int pid = 0;  // on the host
  Fd pidfd;     // readable once init has ended
  Fd control;   // SOCK_SEQPACKET; speaks init/protocol.h
};

// The embedded init as an executable memfd; made once a node.
Result<Fd> LoadInitProgram();

// The same as a file that anybody may run, in place of what was there: what containers of the
// Docker Engine begin with (init/await.h).
Result<> WriteInitProgram(const std::string& path);

// Runs `steps` (init/walls.h) in new mount, pid, network, ipc and uts namespaces.
Result<Init> LaunchInit(int program, int seccomp, const Nursery& nursery,
                        const std::vector<std::string>& steps);

}  // namespace godwit::sandbox
