#pragma once

// What of this process is in memory, and how its allocator is kept from holding what is free.
//
// glibc gives each thread that meets another in malloc() a heap of its own, and keeps large pieces
// that were freed for later; a daemon that mostly waits is left with the peak of each of its
// threads. Threads: any; KeepMemorySmall() once, before there is a second one. Failure: none;
// another C library is left as it is.
#include <cstdint>

namespace godwit {

// 0 if the kernel does not tell.
uint64_t ResidentBytes();

// Few heaps, and large pieces mapped each for itself.
void KeepMemorySmall();
// Gives the kernel back what is free, in some milliseconds.
void ReturnFreeMemory();

}  // namespace godwit
