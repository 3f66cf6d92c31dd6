#include "checkpoint/wakes.h"

#include <poll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <charconv>
#include <ctime>

#include "checkpoint/calls.h"
#include "checkpoint/core_image.h"
#include "checkpoint/inside.h"
#include "checkpoint/ready.h"
#include "checkpoint/rest.h"
#include "checkpoint/waits.h"

namespace godwit::checkpoint {
namespace {

Nanos Read(clockid_t clock) {
  timespec now = {};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

// As if it had been stopped in its call, which ends any.
image::Registers Interrupted(const Call& call) {
  image::Registers registers;
  const auto& arguments = call.arguments;
  registers.set_orig_ax(static_cast<uint64_t>(call.number));
  registers.set_ax(static_cast<uint64_t>(-EINTR));
  registers.set_di(arguments[0]);
  registers.set_si(arguments[1]);
  registers.set_dx(arguments[2]);
  registers.set_r10(arguments[3]);
  registers.set_r8(arguments[4]);
  registers.set_r9(arguments[5]);
  registers.set_ip(0);
  registers.set_sp(0);
  return registers;
}

}  // namespace

Wakes FindWakes(const std::vector<int>& pids, Nanos offset) {
  Wakes wakes;
  const Rests rests = ReadRests(pids);
  const Nanos now = Read(CLOCK_MONOTONIC) + offset;
  Moment moment{now, Read(CLOCK_REALTIME), now, {}, {}};
  for (const auto& [tid, rest] : rests) moment.since[tid] = rest.since + offset;
  Waits waits;
  ForThreads(pids, [&](int pid, const std::filesystem::path& thread) {
    const auto call = ReadCall(thread);
    if (!call) return;
    const auto peek = [&](int, uint64_t address, size_t size) {
      return PeekProcess(pid, address, size);
    };
    image::Registers registers = Interrupted(*call);
    for (const Awaited& one : AwaitedBy(pid, registers, peek)) {
      if (Fd copy = CopyDescriptor(pid, one.descriptor); copy)
        wakes.descriptors.push_back({std::move(copy), one.events});
    }
    // These have no time-out of their own: what ReadWait says of them is for those that were ended.
    if (!Reads(call->number) && !Writes(call->number))
      ReadWait({pid, InsidePid(thread)}, registers, moment, peek, waits);
  });
  if (waits.deadline) wakes.deadline = *waits.deadline - offset;
  return wakes;
}

bool HasCome(const Wakes& wakes, const std::vector<int>& pids) {
  for (const auto& watched : wakes.descriptors) {
    pollfd look = {watched.copy.get(), watched.events, 0};
    if (::poll(&look, 1, 0) > 0 && (look.revents & (watched.events | POLLHUP | POLLERR)) != 0)
      return true;
  }
  bool signalled = false;
  ForThreads(pids, [&](int pid, const std::filesystem::path& thread) {
    const std::string name = thread.filename();
    int tid = 0;
    std::from_chars(name.data(), name.data() + name.size(), tid);
    signalled = signalled || HasSignal(pid, tid);
  });
  return signalled;
}

}  // namespace godwit::checkpoint
