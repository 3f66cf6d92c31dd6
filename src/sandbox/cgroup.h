#pragma once

// Limits and accounts of an instance: one control group a controller (v1) or one in all (v2).
//
// A CgroupTree is the node's own part of the hierarchy, below the group the node was started in,
// named after its store, so that two nodes on a machine never meet. Threads: any; files of the
// kernel are their own lock. Failure: kUnsupported if neither version offers memory, cpu and pids;
// kInternal with the kernel's own word otherwise. Source: Documentation/admin-guide/cgroup-v1/ and
// cgroup-v2.rst of the Linux kernel.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::sandbox {

struct CgroupLimits {
  uint64_t memory_bytes = 128ull << 20;
  double cpus = 1.0;  // of one processor
  uint64_t pids = 1024;
};

class Cgroup {
 public:
  Cgroup(bool unified, std::vector<std::string> directories);

  // Descriptors of cgroup.procs: a process that writes "0" to each moves itself in.
  Result<std::vector<Fd>> OpenProcs() const;
  // Moves the process `pid` in; what it charged elsewhere stays there.
  Result<> Add(int pid) const;
  // Sets and reads back; kInternal if the kernel kept another value.
  Result<> Apply(const CgroupLimits& limits) const;
  // Room for a restore, which needs a few pages more than what it restores.
  Result<> SetMemoryLimit(uint64_t bytes) const;
  // With 0 nothing in it can start a process or thread any more; what is there goes on.
  Result<> SetPidsLimit(uint64_t pids) const;
  // From now on nothing in it runs any more, until Thaw(), as AwaitFrozen() says. kUnsupported
  // without a freezer; kTimeout if somebody in it cannot be stopped, then it is thawed.
  Result<> Freeze() const;
  Result<> AwaitFrozen() const;
  Result<> Thaw() const;  // of one that is not frozen: nothing
  // A file, and what written there thaws it: for who has to kill what is in it. None is needed
  // where the frozen can die (version 2).
  Result<Fd> OpenThaw() const;
  uint64_t MemoryBytes() const;  // charged now; 0 if it cannot be read
  // The most that was ever charged since it was made; 0 if the kernel does not tell (before 5.19).
  uint64_t MemoryPeakBytes() const;
  uint64_t CpuNanos() const;      // used since it was made
  uint64_t OomKills() const;      // processes the kernel killed for want of memory
  std::vector<int> Pids() const;  // of the host
  // Makes it anew, without limits, after its last process has gone: what was cached on its account
  // is given back, and what the kernel still owes it goes to its parent. Apply() again before the
  // next process.
  Result<> Renew() const;
  // Kills what is inside and removes the group; waits up to a second for the dead to leave.
  Result<> Remove() const;

 private:
  const std::string& Directory(std::string_view controller) const;

  bool unified_;
  // One, or those of kControllers in order, the last only if there is one.
  std::vector<std::string> directories_;
};

class CgroupTree {
 public:
  // Finds the hierarchy and makes the node's group `name` in it. `mounts` and `self` are the texts
  // of /proc/self/mountinfo and /proc/self/cgroup.
  static Result<CgroupTree> Open(const std::string& name, const std::string& mounts,
                                 const std::string& self);

  Result<Cgroup> Make(const std::string& instance) const;
  Cgroup At(const std::string& instance) const;
  // Instances whose groups exist, whoever made them.
  std::vector<std::string> List() const;
  // Removes the node's own group, empty by now.
  void Close() const;
  bool unified() const { return unified_; }

 private:
  CgroupTree(bool unified, std::vector<std::string> roots)
      : unified_(unified), roots_(std::move(roots)) {}

  bool unified_;
  std::vector<std::string> roots_;
};

// The groups that process `pid` is in, whoever made them; only to look at. kNotFound if it has
// ended.
Result<Cgroup> CgroupOf(int pid);

}  // namespace godwit::sandbox
