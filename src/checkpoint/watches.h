#pragma once

// Which paths the inotify descriptors of a process watch.
//
// /proc/PID/fdinfo tells the file system and the inode of each watch, not its path: the path is
// looked for below the mounts of that file system, in the process' own view, and no further than
// kMostLooks entries. Threads: the pool; it may read many directories. Failure: a watch whose path
// is not found is told by its inode; a process that ends meanwhile has none.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::checkpoint {

struct Watch {
  uint64_t inode = 0;
  uint64_t device = 0;  // major << 20 | minor, as the kernel has it
  std::string path;     // as the process sees it; "inode 42 of device 0:31" if it was not found
};

inline constexpr int kMostLooks = 50'000;

// Of a text such as "inotify wd:1 ino:2a sdev:1f mask:100 …", a line each; without paths.
std::vector<Watch> ReadWatches(std::string_view fdinfo);
// Those of descriptor `number` of `pid` (on the host).
std::vector<Watch> WatchesOf(int pid, const std::string& number);

}  // namespace godwit::checkpoint
