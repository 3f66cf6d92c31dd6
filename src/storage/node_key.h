#pragma once

// The secret of a node: 32 bytes in DIR/node.key, from which every key of the store is derived.
//
// Whoever has it can read the store; without it nothing in the store can be read again. It is made
// at the first start, durable before anything is sealed with it, and never written elsewhere.
// Threads: values; LoadNodeKey() at start-up. Failure: kNotFound for one that has gone, kInvalid
// for a file of another size, kDenied for one that others may read, kNoSpace and so on by errno;
// each says what to do.
#include <array>
#include <string>
#include <string_view>

#include "base/entropy.h"
#include "base/error.h"
#include "base/files.h"
#include "storage/leaf_hash.h"

namespace godwit::storage {

class NodeKey {
 public:
  static constexpr size_t kBytes = 32;

  explicit NodeKey(const std::array<unsigned char, kBytes>& bytes) : bytes_(bytes) {}
  NodeKey(const NodeKey&) = default;
  NodeKey(NodeKey&&) noexcept = default;
  NodeKey& operator=(const NodeKey&) = default;
  NodeKey& operator=(NodeKey&&) noexcept = default;
  ~NodeKey();  // wipes

  // A key of its own for each purpose (BLAKE2b, keyed with this one, of the purpose's name).
  Digest Derive(std::string_view purpose) const;

 private:
  std::array<unsigned char, kBytes> bytes_;
};

// Reads the key of the store in `directory`, or makes it if there is none. `holds` says what the
// store has already, such as "2 functions", and is empty for a new one: for what is there a new key
// would be of no use.
Result<NodeKey> LoadNodeKey(Files& files, const std::string& directory, Entropy& entropy,
                            const std::string& holds = "");

}  // namespace godwit::storage
