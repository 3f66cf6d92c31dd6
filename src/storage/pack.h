#pragma once

// Compression of one chunk (zstd, RFC 8878), with its contexts and buffers kept for the next.
//
// Threads: one at a time; keep one a thread. Failure: kCorrupt for bytes that are not packed so.
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace godwit::storage {

enum class Packing {
  kNone,   // as it is
  kFast,   // for what is written while somebody waits, such as a process image
  kSmall,  // for what is written once and kept, such as a function's code
};

class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  // Packs into `into` and returns the size, or 0 if the result would not be smaller than `plain`;
  // `into` then holds anything. It needs no more than plain.size() bytes.
  size_t Pack(Packing packing, std::string_view plain, std::span<char> into);
  // Fills `into` exactly.
  Result<> Unpack(std::string_view packed, std::span<char> into);

 private:
  struct Freed {
    void operator()(ZSTD_CCtx_s* context) const;
    void operator()(ZSTD_DCtx_s* context) const;
  };

  std::unique_ptr<ZSTD_CCtx_s, Freed> fast_;  // made at first use, as is the next
  std::unique_ptr<ZSTD_DCtx_s, Freed> unpack_;
};

}  // namespace godwit::storage
