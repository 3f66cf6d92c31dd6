#pragma once

// One node a store: the lock that a node holds on its data directory while it runs.
//
// Two nodes on one store would each think that they own every instance and every file in it. The
// kernel lets go of the lock (flock(2) on DIR/lock) when the process ends, however it ends. It
// belongs to the open file: a child that is forked without exec must close it, or it keeps the
// store. Threads: one at a time. Failure: kConflict, naming the process that has the store.
#include <string>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::storage {

class StoreLock {
 public:
  explicit StoreLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

// Makes the directory (mode 0700) if there is none.
Result<StoreLock> LockStore(const std::string& directory);

}  // namespace godwit::storage
