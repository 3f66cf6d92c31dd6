#pragma once

// The JSON inside a container image: which blobs it names, and how its program is started.
//
// Two forms of a tar hold an image: an OCI image layout (index.json) and a `docker save` archive
// (manifest.json). All of it comes from a stranger: a field of another kind than the specification
// has counts as missing, and what is needed and missing is refused. Threads: any. Failure: kInvalid
// for text that is no such document, kTooLarge for too many layers, kUnsupported for an image of
// another kind of machine. Sources: OCI Image Format Specification 1.1; Docker Image Specification
// 1.2.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::images {

inline constexpr size_t kMaxJson = size_t{4} << 20;    // bytes of one document
inline constexpr size_t kMaxLayers = 127;              // Docker's own limit
inline constexpr size_t kMaxStart = size_t{64} << 10;  // bytes of words and variables in all
inline constexpr size_t kMaxWords = 1500;              // or variables; Lambda's limit for words

// How the program of an image is started; ImageConfig in Lambda's API has the first three.
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::string directory;
  std::vector<std::string> environment;  // NAME=value
  bool operator==(const ImageConfig&) const = default;
};

struct Descriptor {
  std::string media_type;
  std::string digest;                     // "sha256:" and 64 hexadecimal digits
  std::string os, architecture, variant;  // of the machine it is for; empty: not said
};

struct Manifest {
  std::string config;               // a digest, or a path in a `docker save` archive
  std::vector<std::string> layers;  // the same, the lowest first
};

struct ImageDocument {
  ImageConfig config;
  std::string os, architecture;
  std::vector<std::string> diff_ids;  // digests of the layers as plain tars, the lowest first
};

// kTooLarge beyond kMaxStart and kMaxWords.
Result<> CheckStart(const ImageConfig& config);

// "sha256:…" with a whole digest behind it.
bool IsDigest(std::string_view text);
// The 64 hexadecimal digits of a digest.
std::string_view HexOf(std::string_view digest);

// The manifests of an index.json, or of an index it names.
Result<std::vector<Descriptor>> ParseIndex(std::string_view text);
// The one of them that this machine runs; kInvalid if that is none or not clear.
Result<Descriptor> ChooseManifest(const std::vector<Descriptor>& manifests,
                                  std::string_view architecture);
bool IsIndex(const Descriptor& descriptor);
Result<Manifest> ParseManifest(std::string_view text);
// manifest.json of a `docker save` archive, with one image in it.
Result<Manifest> ParseSavedManifest(std::string_view text);
Result<ImageDocument> ParseImage(std::string_view text, std::string_view architecture);

// What this build runs, as images name it: "amd64" or "arm64".
std::string_view OwnArchitecture();

}  // namespace godwit::images
