#include "checkpoint/own_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/mappings.h"
#include "checkpoint/page_source.h"
#include "checkpoint/stopped_process.h"
#include "checkpoint/tracees.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kAtOnce = 64 * kPage;

Result<> Copy(StoppedProcess& process, uint64_t from, uint64_t to, uint64_t bytes) {
  std::string buffer;
  for (uint64_t at = 0; at < bytes; at += buffer.size()) {
    buffer.resize(std::min(kAtOnce, bytes - at));
    GODWIT_TRY(process.Peek(from + at, buffer.data(), buffer.size()));
    if (buffer.find_first_not_of('\0') == std::string::npos) continue;
    GODWIT_TRY(process.Poke(to + at, buffer.data(), buffer.size()));
  }
  return {};
}

Result<> Replace(StoppedProcess& process, const Mapping& mapping) {
  Mapping writable = mapping;
  writable.protection = PROT_READ | PROT_WRITE;
  GODWIT_TRY(const uint64_t aside, process.MapLike(writable));
  Result<> moved = Copy(process, mapping.start, aside, mapping.bytes());
  if (moved) moved = process.Protect(aside, mapping.bytes(), mapping.protection);
  if (moved) moved = process.Move(aside, mapping);
  if (!moved) static_cast<void>(process.Unmap(aside, mapping.bytes()));
  return moved;
}

Result<uint64_t> OwnMemoryOf(StoppedProcess& process, int pid) {
  GODWIT_TRY(const auto mappings, ReadMappings(pid));
  uint64_t bytes = 0;
  for (const Mapping& mapping : mappings) {
    if (mapping.kind != Mapping::Kind::kFile) continue;
    GODWIT_TRY(const auto changed, ResidentRuns(pid, mapping, true));
    if (!MayBeReplaced(mapping, changed)) continue;
    // One that cannot be read as a whole, say beyond the end of its file, stays as it is.
    if (Replace(process, mapping)) bytes += mapping.bytes();
  }
  return bytes;
}

}  // namespace

Result<uint64_t> OwnMemory(const std::vector<int>& pids, Nanos offset) {
  GODWIT_TRY(CheckCalls(pids));
  if (!MayBeStoppedTwice(pids)) return Fail(Code::kBusy, "a call could not be stopped once more");
  GODWIT_TRY(const auto tracees, Tracees::Stop(pids, offset));
  uint64_t bytes = 0;
  Result<> done;
  for (const int pid : pids) {
    StoppedProcess process(*tracees, pid);
    const Result<uint64_t> owned = OwnMemoryOf(process, pid);
    if (owned) bytes += *owned;
    if (!owned && done) done = std::unexpected(owned.error());
  }
  GODWIT_TRY(tracees->LetGo());
  GODWIT_TRY(std::move(done));
  return bytes;
}

}  // namespace godwit::checkpoint
