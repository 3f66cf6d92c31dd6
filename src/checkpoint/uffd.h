#pragma once

// The calls of userfaultfd(2) that a pager makes, on a descriptor of another process' memory.
//
// Threads: any. Failure: a Filled says what became of a page, for most of it is no error: the
// process changes its memory meanwhile.
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.h"

namespace godwit::checkpoint {

enum class Filled {
  kDone,
  kThere,     // a page was there already: who waits for it was woken
  kAgain,     // an event is to be read first: the memory is being changed
  kUnmapped,  // nothing is mapped there any more, or nobody wants to know
  kGone,      // the process is
};

// Agrees with the kernel on events of fork, mremap, madvise and munmap. The caller needs
// CAP_SYS_PTRACE; kUnsupported before Linux 4.11.
Result<> AgreeOnEvents(int uffd);
// From now on a page that is missing there is asked for, if it is anonymous memory.
Result<> RegisterMissing(int uffd, uint64_t address, uint64_t bytes);

struct Placed {
  Filled what = Filled::kDone;
  uint64_t bytes = 0;  // filled before that
};
// Puts whole pages there, and wakes who waits for them. kTooLarge if the process may have no more
// memory.
Result<Placed> CopyPages(int uffd, uint64_t address, std::span<const char> content);
Result<Placed> ZeroPages(int uffd, uint64_t address, uint64_t bytes);
void WakePages(int uffd, uint64_t address, uint64_t bytes);
// Whether the process still has the memory that `uffd` is of.
bool IsThere(int uffd);

}  // namespace godwit::checkpoint
