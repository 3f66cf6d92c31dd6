#pragma once

// What of a process' memory can be put away in place, and what can be let go of for nothing.
//
// Threads: the pool; the process stands still. Failure: kInternal with the kernel's word. Source:
// proc_pid_smaps(5), proc_pid_pagemap(5).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::checkpoint {

struct Mapping {
  enum class Kind {
    kAnonymous,  // private, of nobody else, and not special: can be missing
    kFile,       // private, of a file: its untouched pages can be read again
    kOther
  };
  uint64_t start = 0;
  uint64_t end = 0;
  Kind kind = Kind::kOther;
  int protection = 0;  // of mmap(2)

  uint64_t bytes() const { return end - start; }
};

// Of a text as /proc/PID/smaps has it.
std::vector<Mapping> ParseMappings(std::string_view smaps);
Result<std::vector<Mapping>> ReadMappings(int pid);

// Runs of pages that are in memory and are private (`anonymous`), or are of a file.
struct Run {
  uint64_t address = 0;
  uint64_t bytes = 0;
};
Result<std::vector<Run>> ResidentRuns(int pid, const Mapping& mapping, bool anonymous);

// Only anonymous memory can be missing. So what a process has changed of a file's memory (its
// global variables, above all), `changed`, is replaced by anonymous memory of the same content,
// unless it is code or little of much.
bool MayBeReplaced(const Mapping& mapping, const std::vector<Run>& changed);

}  // namespace godwit::checkpoint
