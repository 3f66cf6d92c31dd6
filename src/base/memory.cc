#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>

namespace godwit {

namespace {

#ifdef __GLIBC__
constexpr int kHeaps = 2;
// What sealing and unpacking an image uses again and again is smaller.
constexpr int kMappedFrom = 1 << 20;
constexpr int kFreeAtTheTop = 1 << 20;
#endif

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return statm ? resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void KeepMemorySmall() {
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, kHeaps);
  ::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  ::mallopt(M_TRIM_THRESHOLD, kFreeAtTheTop);
#endif
}

void ReturnFreeMemory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace godwit
