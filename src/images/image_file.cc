#include "images/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/bytes.h"
#include "base/scope.h"
#include "base/try.h"
#include "images/parts.h"
#include "storage/entry_path.h"

namespace godwit::images {
namespace {

namespace fs = std::filesystem;

constexpr int kMostIndexes = 4;  // one in the other

// What the tar says is in it: the configuration's text, and the file of each layer.
struct Contents {
  std::string config;
  std::vector<std::string> layers;
};

Result<Contents> ReadLayout(const Parts& parts) {
  GODWIT_TRY(std::string index, parts.Read("index.json"));
  Descriptor chosen;
  for (int depth = 0;; ++depth) {
    if (depth == kMostIndexes) return Fail(Code::kInvalid, "its indexes name each other");
    GODWIT_TRY(const auto manifests, ParseIndex(index));
    GODWIT_TRY(chosen, ChooseManifest(manifests, OwnArchitecture()));
    if (!IsIndex(chosen)) break;
    GODWIT_TRY(index, parts.ReadBlob(chosen.digest));
  }
  GODWIT_TRY(const std::string text, parts.ReadBlob(chosen.digest));
  GODWIT_TRY(const Manifest manifest, ParseManifest(text));
  Contents contents;
  GODWIT_TRY(contents.config, parts.ReadBlob(manifest.config));
  for (const auto& layer : manifest.layers) {
    GODWIT_TRY(std::string file, parts.FindBlob(layer));
    contents.layers.push_back(std::move(file));
  }
  return contents;
}

// Its layers are checked when they are unpacked, by the digests in the configuration.
Result<Contents> ReadSaved(const Parts& parts) {
  GODWIT_TRY(const std::string text, parts.Read("manifest.json"));
  GODWIT_TRY(const Manifest manifest, ParseSavedManifest(text));
  Contents contents;
  GODWIT_TRY(contents.config, parts.Read(manifest.config));
  const std::string named = "sha256:" + fs::path(manifest.config).stem().string();
  const std::string is = "sha256:" + ToHex(Sha256(contents.config));
  if (IsDigest(named) && named != is) {
    return Fail(Code::kCorrupt, "its configuration '{}' is {} (make the tar anew)", named, is);
  }
  for (const auto& layer : manifest.layers) {
    GODWIT_TRY(std::string file, parts.Find(layer));
    contents.layers.push_back(std::move(file));
  }
  return contents;
}

// What walls are hung on is no link, which would lead them elsewhere.
Result<> PrepareRoot(RootTree& root) {
  for (const auto* name : {"dev", "etc", "proc", "run", "tmp"}) {
    GODWIT_TRY(const auto place, root.Reach(name));
    GODWIT_TRY(RootTree::MakeDirectory(place, 0755));
  }
  for (const auto* name : {"etc/hosts", "etc/resolv.conf"}) {
    GODWIT_TRY(const auto place, root.Reach(name));
    GODWIT_TRY(RootTree::Remove(place));
    const Fd made(::openat(place.parent.get(), place.name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!made) return FailErrno(errno, "cannot make '/{}'", name);
  }
  return {};
}

// Where its program starts may be made by nobody but who runs the image.
Result<> PrepareDirectory(RootTree& root, const std::string& directory) {
  const size_t first = directory.find_first_not_of('/');
  if (first == std::string::npos) return {};
  GODWIT_TRY(const std::string path,
             storage::CleanEntryPath(std::string_view(directory).substr(first), 4096)
                 .Within("its working directory '{}'", storage::ShownEntry(directory)));
  if (path.empty()) return {};
  GODWIT_TRY(const auto place, root.Reach(path));
  return RootTree::TypeOf(place) == 0 ? RootTree::MakeDirectory(place, 0755) : Result<>{};
}

Result<> SyncAll(const std::string& directory) {
  GODWIT_TRY(const Fd fd, Open(directory, O_RDONLY | O_DIRECTORY));
  if (::syncfs(fd.get()) != 0) return FailErrno(errno, "cannot make '{}' durable", directory);
  return {};
}

void RemoveAll(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

Result<Image> ImportImage(const std::string& tar, const std::string& work,
                          const std::function<std::string(const std::string& id)>& root_of,
                          const ImportLimits& limits) {
  const ScopeExit tidy([&] { RemoveAll(work); });
  GODWIT_TRY(const Parts parts, Parts::Of(tar, work, limits.unpacked.bytes, limits.parts));
  const bool is_layout = parts.Has("index.json");
  if (!is_layout && !parts.Has("manifest.json")) {
    return Fail(
        Code::kInvalid,
        "it holds no image (make it with `docker save` or `skopeo copy IMAGE oci-archive:FILE`)");
  }
  GODWIT_TRY(const Contents contents, is_layout ? ReadLayout(parts) : ReadSaved(parts));
  GODWIT_TRY(const ImageDocument document, ParseImage(contents.config, OwnArchitecture()));
  if (document.diff_ids.size() != contents.layers.size()) {
    return Fail(Code::kInvalid, "it has {} layers, and its configuration names {}",
                contents.layers.size(), document.diff_ids.size());
  }
  Image image{"sha256:" + ToHex(Sha256(contents.config)), document.config, 0};
  const std::string root = work + "/root";
  if (::mkdir(root.c_str(), 0755) != 0 || ::chmod(root.c_str(), 0755) != 0)
    return FailErrno(errno, "cannot make '{}'", root);
  GODWIT_TRY(RootTree tree, RootTree::Open(root));
  Allowance allowance(limits.unpacked);
  for (size_t i = 0; i < contents.layers.size(); ++i) {
    GODWIT_TRY(ApplyLayer(contents.layers[i], document.diff_ids[i], tree, allowance)
                   .Within("layer {}", i + 1));
  }
  GODWIT_TRY(PrepareRoot(tree));
  GODWIT_TRY(PrepareDirectory(tree, image.config.directory));
  image.bytes = limits.unpacked.bytes - allowance.left.bytes;
  const std::string directory = root_of(image.id);
  std::error_code unknown;
  if (fs::exists(directory, unknown)) return image;
  GODWIT_TRY(SyncAll(root));
  if (std::rename(root.c_str(), directory.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST)
    return FailErrno(errno, "cannot make the directory '{}'", directory);
  GODWIT_TRY(SyncAll(directory));
  return image;
}

}  // namespace godwit::images
