#pragma once

// Content-addressed blobs: sealed, compressed, one file each under DIR/blobs.
//
// For what is written once and then only read: function code, process images. A blob's name is a
// keyed hash of its content, so equal content is kept once, and a name says nothing to who lacks
// the node key; or it is random, for content that is never put twice. Files are encrypted and
// authenticated chunk by chunk (docs/formats/blob.md): damage, a change, a cut-off or a swapped
// file never yields wrong bytes. Threads: any, concurrently, but not the loop, for every call reads
// or writes the disk. Large content is worked on by the caller's thread and helpers together. Who
// removes a blob answers for nobody putting or reading it meanwhile. Failure: kNotFound, kCorrupt
// (also kUnsupported: written by a newer program), kNoSpace, kTooLarge; each names the blob and the
// way out. A failed Put() leaves nothing behind.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/entropy.h"
#include "base/error.h"
#include "base/files.h"
#include "storage/blob_format.h"
#include "storage/node_key.h"
#include "storage/pack.h"
#include "storage/tail.h"

namespace godwit::storage {

struct BlobId {
  std::string hex;  // 64 lower-case hexadecimal digits
  // nullopt for text that is no such name, which makes it safe to use in a path.
  static std::optional<BlobId> Parse(std::string_view text);
  auto operator<=>(const BlobId&) const = default;
};

struct PutOptions {
  Durability durability = Durability::kDurable;
  Packing packing = Packing::kFast;
  // A power of two from kLeastBlobChunk to kMostBlobChunk: what has to be opened to read a byte.
  uint32_t chunk_bytes = kBlobChunkBytes;
  // Of PutUnique(): whoever wants to read it has to bring the same. A secret, some facts, or both:
  // a blob whose secret is forgotten is as good as wiped, and one that is looked for by other facts
  // is kCorrupt. Empty: none.
  std::string_view bond = {};
};

// A part of a blob's content.
struct BlobRange {
  uint64_t from = 0;
  uint64_t to = UINT64_MAX;  // its end at most
};

// Reads here and there in one blob, which may be removed meanwhile.
//
// Threads: any, at once. Lifetime: within that of its Blobs. Failure: kCorrupt, kTooLarge beyond
// the end; each names the blob.
class BlobReader {
 public:
  BlobReader() = default;
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;
  virtual ~BlobReader() = default;

  virtual uint64_t size() const = 0;  // of the content
  virtual Result<> Read(uint64_t offset, std::span<char> into) = 0;
};

class Blobs {
 public:
  // `directory` is the store's; made if missing. `entropy` outlives the blobs.
  static Result<std::unique_ptr<Blobs>> Open(const std::string& directory, const NodeKey& key,
                                             Entropy& entropy);
  ~Blobs();
  Blobs(const Blobs&) = delete;
  Blobs& operator=(const Blobs&) = delete;

  // Keeps the parts, joined, as one blob. Content that is there already is not written again, but
  // is made as durable as asked.
  Result<BlobId> Put(std::span<const std::string_view> parts, PutOptions options);
  // Keeps the parts and `tail` behind them as a blob of their own, under a random name: for what is
  // never put twice, such as a process image, and for what can be read only once.
  Result<BlobId> PutUnique(std::span<const std::string_view> parts, Tail& tail, PutOptions options);
  // Makes an earlier kCached Put() durable.
  Result<> Sync(const BlobId& id);

  // The whole content; kTooLarge beyond `limit` bytes.
  Result<std::string> Get(const BlobId& id, uint64_t limit);
  // The same into memory of exactly its size, such as a mapped file. After a failure `into` holds
  // nothing that may be used.
  Result<> Fill(const BlobId& id, std::span<char> into);
  // Hands the content to `sink`, in order, in chunks of at most 4 MiB, one call at a time but on
  // changing threads. Every chunk is authentic, but only success says that all came.
  Result<> Stream(const BlobId& id, const std::function<Result<>(std::string_view)>& sink,
                  std::string_view bond = {}, BlobRange range = {});
  Result<std::unique_ptr<BlobReader>> OpenReader(const BlobId& id, std::string_view bond = {});
  // Reads it all, and checks that the content still has this name, if the name is a hash. Not of a
  // bonded one.
  Result<> Check(const BlobId& id);

  // A keyed hash of each `piece_bytes` of `bytes`, kSumBytes each, one after the other: pieces of
  // one store with the same sum are the same. The last piece may be shorter.
  static constexpr size_t kSumBytes = 16;
  std::string SumPieces(std::string_view bytes, size_t piece_bytes);
  // From now on with this key, as other stores do: before anybody else uses the blobs. What was
  // summed before is not known again.
  void SumPagesWith(const Digest& key);

  // What the content has, and what it takes on disk.
  Result<uint64_t> Size(const BlobId& id);
  Result<uint64_t> StoredSize(const BlobId& id);

  // No error if it is gone already. A power cut may bring it back.
  Result<> Remove(const BlobId& id);
  // All blobs, sorted by name.
  Result<std::vector<BlobId>> List();

 private:
  struct Parts;
  explicit Blobs(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace godwit::storage
