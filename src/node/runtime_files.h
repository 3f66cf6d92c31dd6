#pragma once

// The runtimes that functions are started with (runtimes/), embedded in this program.
//
// Threads: constant. Failure: of the unpacking: kNoSpace, kDenied, naming the path.
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::node {

struct RuntimeFile {
  std::string_view path;  // below runtimes/, such as "python3/bootstrap.py"
  std::string_view bytes;
};

std::span<const RuntimeFile> RuntimeFiles();

// Writes them all below `directory`, readable by everybody, in place of what was there.
Result<> UnpackRuntimes(const std::string& directory);

}  // namespace godwit::node
