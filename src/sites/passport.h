#pragma once

// What an image takes for granted of the machine that it runs on, and whether this one has it.
//
// Text of lines: the architecture, the kernel's release, CRIU's version, which runtimes Godwit has,
// what the processor can, and the build id of each program and library that an instance has mapped.
// A machine will do if it is of the same architecture, its kernel and CRIU are not older, its
// processor can all that the other can, and its files are the same builds. Threads: the functions
// block: for the pool or start-up. Failure: kUnsupported, naming what is missing and the way out.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::sites {

// Of this machine; `runtimes` is a hash of Godwit's own, `criu` the version of CRIU.
std::string MachinePassport(const std::string& runtimes, const std::string& criu);
// A line for each file below /usr that the processes have mapped.
std::string FilesOf(const std::vector<int>& pids);
// Whether what is wanted is here. `own` is MachinePassport().
Result<> CheckPassport(std::string_view wanted, std::string_view own);

// The build id of an ELF file (its note NT_GNU_BUILD_ID), in hexadecimal digits; "-" for a file
// without one, empty if there is no such file.
std::string BuildId(const std::string& path);

}  // namespace godwit::sites
