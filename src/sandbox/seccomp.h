#pragma once

// The system calls a function may make.
//
// Everything but what reaches out of a sandbox (mounting, tracing, modules, keys, clocks,
// namespaces, bpf, the calls that Docker's default profile denies too) and what CRIU cannot carry
// (io_uring, userfaultfd, memfd_secret, perf events, fanotify). A denied call answers EPERM;
// io_uring answers ENOSYS, so that libuv and others fall back. Threads: any. Failure: kUnsupported
// if libseccomp or the kernel cannot build the filter.
#include "base/error.h"
#include "base/fd.h"

namespace godwit::sandbox {

// A sealed memfd with the filter's sock_filter instructions (seccomp(2)).
Result<Fd> BuildFilter();

}  // namespace godwit::sandbox
