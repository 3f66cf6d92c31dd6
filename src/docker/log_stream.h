#pragma once

// What a container writes, out of the Docker Engine's multiplexed stream.
//
// A frame is one byte that says which stream (0 to 2), three zeros, a length of four bytes, the
// highest first, and so many bytes. Frames come in pieces of any size. Threads: one. Failure:
// kCorrupt for a header that is none; nothing may be fed afterwards.
// Source: Docker Engine API 1.41, ContainerAttach, "Stream format".
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::docker {

class LogStream {
 public:
  // The text of both streams in this piece, in order; what is not whole is remembered.
  Result<std::string> Feed(std::string_view piece);

 private:
  std::array<char, 8> header_{};
  size_t header_bytes_ = 0;
  uint32_t left_ = 0;  // of the frame
};

}  // namespace godwit::docker
