#pragma once

// The network namespace in which those of sandboxes are born, so that each has tables of
// connections of its own, and small ones.
//
// Namespaces share one table of TCP connections otherwise, which is as large as the machine
// (`sysctl net.ipv4.tcp_ehash_entries`). Whoever lists the sockets of one namespace, as CRIU does
// for each dump, walks all of it. How large a child's tables are, its parent says
// (tcp_child_ehash_entries of Linux 6.1, udp_child_hash_entries of 6.2: ip-sysctl.rst of the
// kernel's documentation); nothing of the machine's own is changed. Threads: any. Failure: kDenied
// without CAP_SYS_ADMIN. A kernel without these settings makes namespaces as ever.
#include "base/error.h"
#include "base/fd.h"

namespace godwit::sandbox {

class Nursery {
 public:
  static Result<Nursery> Make();

  // Until it is destroyed, namespaces that this thread makes are born there.
  class Stay {
   public:
    explicit Stay(const Nursery& nursery);
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay();  // ends the program if the thread cannot go home

   private:
    const Nursery& nursery_;
    bool away_;
  };

 private:
  Nursery(Fd place, Fd home) : place_(std::move(place)), home_(std::move(home)) {}

  Fd place_;
  Fd home_;
};

}  // namespace godwit::sandbox
