#pragma once

// Zip files: a function's code as it comes in, and as `godwit deploy DIR` sends it.
//
// A zip comes from a stranger. Extraction refuses, before anything is visible, whatever could reach
// outside of the directory (absolute names, "..", symbolic links that leave, hard links), is no
// file (devices), is encrypted or damaged, names a file twice, or grows beyond the limits while it
// is unpacked, whatever its headers say. Threads: any; blocking, so not the loop. Failure: kInvalid
// and kTooLarge for what is wrong with the input, naming the entry; kNoSpace and the like for what
// is wrong here. After a failure the directory is as it was.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::storage {

// Lambda's own limit is the first; it publishes no other.
inline constexpr uint64_t kMostCodeBytes = 262'144'000;

struct ExtractLimits {
  uint64_t total_bytes = kMostCodeBytes;
  size_t entries = 65'536;  // files, links and directories, named or implied
  size_t path_bytes = 1'024;
};

// Makes `directory` (its parent exists, it does not or is empty) with what the zip holds. Files get
// mode 0644, or 0755 if their owner may execute them; directories 0755. Nothing is synced.
Result<> ExtractZip(std::string_view zip, const std::string& directory,
                    const ExtractLimits& limits = {});

// All below `directory` as a zip. Equal trees give equal bytes: sorted, without times and owners.
// Links that stay inside are kept as links; whatever ExtractZip() refuses is refused here already.
// Files and directories of a name in `leave_out` are, wherever they stand.
Result<std::string> ZipDirectory(const std::string& directory, const ExtractLimits& limits = {},
                                 std::span<const std::string_view> leave_out = {});

}  // namespace godwit::storage
