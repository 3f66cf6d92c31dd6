#pragma once

// The name of a content: a keyed hash over the keyed hashes of its 64 KiB leaves.
//
// A tree of two levels, so that all processors and all vector lanes hash at once
// (docs/formats/blob.md). Threads: any. Failure: none.
#include <span>
#include <string_view>

#include "storage/content.h"
#include "storage/crew.h"
#include "storage/leaf_hash.h"
#include "storage/node_key.h"
#include "storage/workbench.h"

namespace godwit::storage {

struct HashKeys {
  explicit HashKeys(const NodeKey& key);
  Digest leaf;
  Digest root;
};

Digest HashContent(const HashKeys& keys, const Content& content, Crew& crew, Benches& benches);

// The same for content that comes bit by bit, in pieces that are all (but the last) a multiple of
// kLeafBytes long.
class RunningHash {
 public:
  explicit RunningHash(const HashKeys& keys) : keys_(keys) {}
  void Add(std::string_view piece);
  Digest Finish() const;

 private:
  HashKeys keys_;
  uint64_t size_ = 0;
  std::vector<Digest> leaves_;
};

}  // namespace godwit::storage
