#include "storage/node_key.h"

#include <sodium.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/scope.h"
#include "base/try.h"

namespace godwit::storage {
namespace {

Result<NodeKey> KeyOf(const std::string& bytes) {
  std::array<unsigned char, NodeKey::kBytes> key;
  std::ranges::copy(bytes, key.begin());
  const NodeKey made(key);
  sodium_memzero(key.data(), key.size());
  return made;
}

}  // namespace

NodeKey::~NodeKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

Digest NodeKey::Derive(std::string_view purpose) const {
  return HashPieces(bytes_, std::span(&purpose, 1));
}

Result<NodeKey> LoadNodeKey(Files& files, const std::string& directory, Entropy& entropy,
                            const std::string& holds) {
  const std::string path = directory + "/node.key";
  std::string bytes;
  const ScopeExit wipe([&] { sodium_memzero(bytes.data(), bytes.size()); });
  struct stat st = {};
  if (::stat(path.c_str(), &st) != 0) {
    if (errno != ENOENT) return FailErrno(errno, "cannot look at the node key '{}'", path);
    if (!holds.empty()) {
      return Fail(Code::kNotFound,
                  "cannot use the node key '{}': it is not there, and the store holds {} that need "
                  "it (put it back from a backup; or give up what is in the store and remove '{}')",
                  path, holds, directory);
    }
    bytes = entropy.Bytes(NodeKey::kBytes);
    GODWIT_TRY(files.Write(path, bytes, Durability::kDurable).Within("cannot make the node key"));
    return KeyOf(bytes);
  }
  if ((st.st_mode & 077) != 0) {
    return Fail(
        Code::kDenied,
        "cannot use the node key '{0}': others may read it, its mode is {1:04o} (run `chmod "
        "600 {0}`, and think about who has read it)",
        path, st.st_mode & 07777);
  }
  if (st.st_size != NodeKey::kBytes) {
    return Fail(Code::kInvalid,
                "cannot use the node key '{}': it has {} bytes instead of {} (put it back from a "
                "backup; only for an empty store remove it, and a new one is made)",
                path, st.st_size, NodeKey::kBytes);
  }
  GODWIT_TRY(bytes, files.Read(path, NodeKey::kBytes).Within("cannot use the node key"));
  if (bytes.size() != NodeKey::kBytes) {
    return Fail(Code::kInvalid, "cannot use the node key '{}': it changed just now (try again)",
                path);
  }
  return KeyOf(bytes);
}

}  // namespace godwit::storage
