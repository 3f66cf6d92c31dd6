#pragma once

// CRIU's image files: two magic words, then entries of a length and a protobuf message
// (criu.org/Images).
//
// Entries are handed out as bytes, so that what Godwit does not know stays as it is. Threads: the
// pool. Failure: kCorrupt, naming the file, for a file that is none or ends early; kNotFound.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace godwit::checkpoint {

struct ImageFile {
  uint32_t magic = 0;
  std::vector<std::string> entries;
};

Result<ImageFile> ParseImageFile(const std::string& name, std::string_view bytes);
// Where the first entry ends, of a file that goes on with something else.
Result<size_t> EndOfFirstEntry(const std::string& name, std::string_view bytes);
std::string FormatImageFile(const ImageFile& file);

Result<ImageFile> ReadImageFile(const std::string& path);
Result<> WriteImageFile(const std::string& path, const ImageFile& file);

}  // namespace godwit::checkpoint
