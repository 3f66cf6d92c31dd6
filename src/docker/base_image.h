#pragma once

// The image under functions that are zips: the native sandbox's base, for the Docker Engine.
//
// The host's /usr, the code and the runtime are bound into it. Threads: any; blocking. Failure:
// kInternal and the like, naming the path.
#include <string>

#include "base/error.h"

namespace godwit::docker {

// All below `directory` as a tar, owned by root.
Result<std::string> TarOf(const std::string& directory);

}  // namespace godwit::docker
