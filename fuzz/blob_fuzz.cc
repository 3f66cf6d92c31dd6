// Any bytes as a blob's file: refused, or read without a false step. And any bytes as content: kept
// and read back.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "storage/blob_file.h"

namespace {

using namespace godwit;
using namespace godwit::storage;

constexpr Digest kId = {};
constexpr Digest kSealKey = {1, 2, 3};
constexpr uint64_t kMostPlain = 8 << 20;

void Must(bool holds) {
  if (!holds) __builtin_trap();
}

Fd MemoryFile(std::string_view bytes) {
  Fd fd(::memfd_create("blob", MFD_CLOEXEC));
  Must(WriteAll(fd.get(), bytes).has_value());
  return fd;
}

Result<std::string> Read(Fd fd) {
  Result<BlobFile> file = BlobFile::Open(std::move(fd), kId, kSealKey);
  if (!file) return std::unexpected(file.error());
  if (file->header().plain_bytes > kMostPlain) return Fail(Code::kTooLarge, "for here");
  std::string text(file->header().plain_bytes, '\0');
  Bench bench;
  for (uint64_t i = 0; i < file->header().Chunks(); ++i) {
    auto read = file->ReadChunk(
        i, bench, {text.data() + i * file->header().chunk_bytes, file->header().PlainOf(i)});
    if (!read) return std::unexpected(read.error());
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  static Crew crew(0);
  static Benches benches(1);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto read = Read(MemoryFile(bytes)); !read) {
    Must(read.error().code() == Code::kCorrupt || read.error().code() == Code::kUnsupported ||
         read.error().code() == Code::kTooLarge);
  }
  const std::string salt(32, 's');
  const bool odd = size % 2 == 1;
  const Fd fd = MemoryFile("");
  Tail none;
  Must(WriteBlob(fd.get(), Content(std::span(&bytes, 1)), none,
                 {.id = kId,
                  .seal_key = kSealKey,
                  .salt = salt,
                  .cipher = odd ? Cipher::kAes256Gcm : Cipher::kChaCha20Poly1305,
                  .packing = odd ? Packing::kFast : Packing::kNone},
                 crew, benches)
           .has_value());
  const auto back = Read(Fd(::dup(fd.get())));
  Must(back.has_value() && *back == bytes);
  return 0;
}
