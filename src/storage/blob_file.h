#pragma once

// One blob as a file: written from content, read chunk by chunk. See docs/formats/blob.md.
//
// It knows the format and the keys, but no names and no directories; Blobs knows those.
// Threads: WriteBlob() any; a BlobFile is read by any number of threads at once. Failure: kCorrupt,
// kUnsupported, kNoSpace; the reason alone, for the caller names the blob.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/entropy.h"
#include "base/error.h"
#include "base/fd.h"
#include "storage/blob_format.h"
#include "storage/content.h"
#include "storage/crew.h"
#include "storage/tail.h"
#include "storage/workbench.h"

namespace godwit::storage {

struct BlobMaking {
  const Digest& id;
  const Digest& seal_key;
  std::string_view salt;  // 32 bytes, never used before
  Cipher cipher;
  Packing packing;
  bool unique = false;  // the name is no hash of the content
  uint32_t chunk_bytes = kBlobChunkBytes;
  std::string_view bond = {};
};

// Writes the blob of `content`, and of `tail` behind it, to the empty file `fd`.
Result<> WriteBlob(int fd, const Content& content, Tail& tail, const BlobMaking& making, Crew& crew,
                   Benches& benches);

class BlobFile {
 public:
  // Reads the front of the file. `id` is the name it was asked for by; with another bond than it
  // was sealed with, no chunk opens.
  static Result<BlobFile> Open(Fd fd, const Digest& id, const Digest& seal_key,
                               std::string_view bond = {});

  const BlobHeader& header() const { return header_; }
  // Reads, proves and unpacks the chunk into `into`, which has header().PlainOf(chunk) bytes.
  Result<> ReadChunk(uint64_t chunk, Bench& bench, std::span<char> into) const;
  // Proves the chunk without unpacking it.
  Result<> ProveChunk(uint64_t chunk, Bench& bench) const;

 private:
  BlobFile() = default;
  Result<> OpenChunk(uint64_t chunk, Bench& bench, char* into) const;

  Fd fd_;
  Digest id_;
  Digest subkey_;
  std::string header_bytes_;
  BlobHeader header_;
  std::vector<BlobEntry> entries_;
};

}  // namespace godwit::storage
