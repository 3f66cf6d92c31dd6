#include "storage/pack.h"

#include <zstd.h>

#include <cstdlib>

namespace godwit::storage {
namespace {

// Measured on the memory of Python and Node processes, 512 KiB chunks: see docs/formats/blob.md.
constexpr int kFastLevel = -10;
constexpr int kSmallLevel = 12;

}  // namespace

Packer::Packer() = default;
Packer::~Packer() = default;

void Packer::Freed::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
void Packer::Freed::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

size_t Packer::Pack(Packing packing, std::string_view plain, std::span<char> into) {
  if (packing == Packing::kNone || plain.empty()) return 0;
  size_t size = 0;
  // One byte less than the plain text has: zstd gives up as soon as it cannot win.
  if (packing == Packing::kFast) {
    if (!fast_) fast_.reset(ZSTD_createCCtx());
    size = ZSTD_compressCCtx(fast_.get(), into.data(), plain.size() - 1, plain.data(), plain.size(),
                             kFastLevel);
  } else {
    // Several MiB of tables, wanted rarely: not kept.
    size = ZSTD_compress(into.data(), plain.size() - 1, plain.data(), plain.size(), kSmallLevel);
  }
  return ZSTD_isError(size) != 0 ? 0 : size;
}

Result<> Packer::Unpack(std::string_view packed, std::span<char> into) {
  if (!unpack_) unpack_.reset(ZSTD_createDCtx());
  const size_t size =
      ZSTD_decompressDCtx(unpack_.get(), into.data(), into.size(), packed.data(), packed.size());
  if (ZSTD_isError(size) != 0) {
    return Fail(Code::kCorrupt, "it does not unpack: {}", ZSTD_getErrorName(size));
  }
  if (size != into.size()) {
    return Fail(Code::kCorrupt, "it unpacks to {} bytes instead of {}", size, into.size());
  }
  return {};
}

}  // namespace godwit::storage
