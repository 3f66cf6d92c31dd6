#pragma once

// The images of one process tree, made ready for several to be brought back from.
//
// A clone has a user of its own, so whatever names the user that was dumped is given the clone's;
// the memory, which nobody writes to, is shared by hard links. Threads: the pool. Failure:
// kUnsupported, naming what only one can have; kCorrupt for images that cannot be read; by errno.
// Source: CRIU's core, files and ghost-file images (criu.org/Images).
#include <cstdint>
#include <string>

#include "base/error.h"

namespace godwit::checkpoint {

// Whether more than one may be brought back: no socket is tied to an address of its own, or speaks
// to somebody outside.
Result<> CheckClonable(const std::string& images);

// Puts the images in `from` into the empty directory `to` of the same file system, for processes
// of user and group `uid` instead of `was`. Returns the bytes that `to` has of its own.
Result<uint64_t> CopyForClone(const std::string& from, const std::string& to, uint32_t was,
                              uint32_t uid);
// The same in place, of images that nobody else has.
Result<> GiveTo(const std::string& images, uint32_t was, uint32_t uid);

}  // namespace godwit::checkpoint
