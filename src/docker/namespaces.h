#pragma once

// What the node does inside a container's network namespace, without being in the container.
//
// Threads: any but the loop's; a thread of its own enters the namespace and ends. Failure: kDenied
// without CAP_SYS_ADMIN, kNotFound if the process has ended, kInternal with the kernel's word.
#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::docker {

// A TCP socket that listens at 127.0.0.1:`port` in the network namespace of process `pid`: no port
// of the host is opened.
Result<Fd> ListenInside(int pid, uint16_t port);

}  // namespace godwit::docker
