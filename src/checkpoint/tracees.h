#pragma once

// All threads of an instance held still, and system calls made in their name, without a trace.
//
// A thread is stopped where it would take a signal (PTRACE_INTERRUPT), after its call has been
// interrupted and before the kernel decides how the call goes on. It is let go from the same place
// with the registers it had, so the kernel restarts the call as if nothing had been: what is left
// of a time-out is in its restart block, which survives calls made in between (but not
// rt_sigreturn, so there is none). Calls that being stopped ends with EINTR are made again with
// what is left of their time (waits.h).
//
// Threads: all of it on one, which is the tracer; if that ends first, the processes are killed.
// Failure: kBusy if a signal comes meanwhile or a thread does not stop; kUnsupported without
// ptrace; whatever fails, LetGo() or the destructor lets all go on as they were. x86-64 only.
#include <sys/user.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/rest.h"
#include "checkpoint/waits.h"

namespace godwit::checkpoint {

class Tracees {
 public:
  // Stops every thread of `pids` (on the host); `offset` is of their CLOCK_MONOTONIC to the host's.
  static Result<std::unique_ptr<Tracees>> Stop(const std::vector<int>& pids, Nanos offset);
  Tracees(const Tracees&) = delete;
  Tracees& operator=(const Tracees&) = delete;
  ~Tracees();

  // Whether a thread of `pid` can make calls for us: it must have been in one.
  bool CanCall(int pid) const;
  // The call's result, or its negative errno. `meanwhile` is called while it has not returned.
  Result<long> Call(int pid, long number, std::array<uint64_t, 6> arguments,
                    const std::function<void()>& meanwhile = {});
  // All go on, after `last`. Memory may be missing, if somebody else brings it.
  Result<> LetGo(const std::function<Result<>()>& last = {});
  // After LetGo(): the time-outs of calls that begin again, as they were written. If they are to
  // begin later, they are to be written again then.
  std::vector<Timeout> TakeTimeouts() { return std::move(timeouts_); }

 private:
  struct Thread {
    int pid;
    int tid;  // on the host
    user_regs_struct registers;
    bool used = false;     // is somewhere else than where it was stopped
    uint64_t signals = 0;  // its mask
  };

  explicit Tracees(Nanos offset) : offset_(offset) {}
  Result<> Seize(const std::vector<int>& pids);
  Result<> StopThread(Thread& thread);
  Result<> Return(Thread& thread);
  // Makes calls that were ended begin again.
  Result<> Mend();
  void Unsay(const Thread& thread) const;
  static Thread* Caller(std::vector<Thread>& threads, int pid);

  Nanos offset_;
  std::vector<Thread> threads_;
  Rests rests_;
  std::vector<Timeout> timeouts_;
  Nanos stopped_{};
};

}  // namespace godwit::checkpoint
