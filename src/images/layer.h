#pragma once

// One layer of an image, laid over those below it.
//
// A layer is a tar, plain or packed with gzip or zstd, that adds, replaces and takes away files
// (".wh.NAME" takes NAME away, ".wh..wh..opq" all that lower layers have in its directory). Only
// what an unprivileged function may use is made: files, directories, symbolic and hard links, owned
// by root, without set-user-id bits and extended attributes; devices, FIFOs and sockets are left
// out. Symbolic links keep their target, which has a meaning inside only. Threads: any; blocking.
// Failure: kInvalid and kTooLarge for what is wrong with the layer, naming the entry; kCorrupt if
// it is not what its digest says; kNoSpace and the like for what is wrong here. What was unpacked
// until then stays, for whoever made the directory to remove.
// Source: OCI Image Format Specification 1.1, "Image Layer Filesystem Changeset".
#include <cstdint>
#include <string>

#include "base/error.h"
#include "images/root_tree.h"

namespace godwit::images {

struct UnpackLimits {
  uint64_t bytes = uint64_t{10} << 30;  // of files, Lambda: 10 GB
  uint64_t entries = 1'000'000;
  size_t path_bytes = 4096;
};

// What is left of the limits, layer after layer.
struct Allowance {
  explicit Allowance(const UnpackLimits& limits) : left(limits), all(limits) {}
  UnpackLimits left;
  const UnpackLimits all;
};

// `file` is the layer, `diff_id` the digest of the plain tar ("sha256:…").
Result<> ApplyLayer(const std::string& file, const std::string& diff_id, RootTree& root,
                    Allowance& allowance);

}  // namespace godwit::images
