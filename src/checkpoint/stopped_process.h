#pragma once

// One process of an instance that is held still (tracees.h), made to change its memory.
//
// Threads: the tracer's. Lifetime: within that of the Tracees. Failure: as Tracees::Call(), or the
// call's own error. `meanwhile` answers for memory that a userfaultfd watches.
#include <array>
#include <cstdint>
#include <functional>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/mappings.h"
#include "checkpoint/tracees.h"

namespace godwit::checkpoint {

class StoppedProcess {
 public:
  using Meanwhile = std::function<void()>;

  StoppedProcess(Tracees& tracees, int pid) : tracees_(tracees), pid_(pid) {}

  // A userfaultfd of its memory. A function may not make one, and userfaultfd(2) asks for a
  // capability of whose memory it is; who has `device` open (/dev/userfaultfd) needs none, so it
  // gets that over a socket for the time being, and nothing of it is left.
  Result<Fd> MakeUffd(const Fd& device);
  // Lets go of pages.
  Result<> Forget(uint64_t address, uint64_t bytes, const Meanwhile& meanwhile = {});
  // Memory without pages, of the size and protection of `mapping`, somewhere else.
  Result<uint64_t> MapLike(const Mapping& mapping);
  Result<> Unmap(uint64_t address, uint64_t bytes, const Meanwhile& meanwhile = {});
  Result<> Protect(uint64_t address, uint64_t bytes, int protection);
  // Puts what lies at `from` in the place of `mapping`, in one step.
  Result<> Move(uint64_t from, const Mapping& mapping, const Meanwhile& meanwhile = {});

  // Its memory, as its own rights allow.
  Result<> Peek(uint64_t address, void* into, size_t size);
  Result<> Poke(uint64_t address, const void* from, size_t size);

 private:
  Result<uint64_t> Do(const char* what, long number, std::array<uint64_t, 6> arguments,
                      const Meanwhile& meanwhile = {});
  Result<Fd> WithPage(const Fd& device, uint64_t page);
  Result<Fd> WithSockets(const Fd& device, uint64_t page, const int* pair);
  Result<> Close(int fd);

  Tracees& tracees_;
  int pid_;
};

}  // namespace godwit::checkpoint
