#pragma once

// A container image in one tar, as `docker save` and `skopeo copy IMAGE oci-archive:FILE` write it,
// unpacked into a root file system.
//
// The tar may be packed (gzip, zstd), and is read as it lies on disk: nothing of it is held in
// memory but its documents. Everything is checked against its digest: the configuration, whose
// digest is the image's id, names those of all layers. Threads: any; blocking, for seconds.
// Failure: kInvalid, kTooLarge and kUnsupported for a tar that will not do, kCorrupt for one whose
// parts are not what they should be, with a text for the user; kNoSpace and the like for what is
// wrong here. After a failure there is no directory. Sources: OCI Image Layout Specification 1.1;
// Docker Image Specification 1.2.
#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "images/image_json.h"
#include "images/layer.h"

namespace godwit::images {

struct Image {
  std::string id;  // "sha256:…", of its configuration
  ImageConfig config;
  uint64_t bytes = 0;  // of its files
};

struct ImportLimits {
  UnpackLimits unpacked = {};
  uint64_t parts = 10'000;  // of the tar
};

// Makes the directory `root_of(id)`, whose parent is there, with the image's file system; if there
// is one already, it is the same image and stays. `work` is an empty directory on the same disk; it
// is gone afterwards. The root has what walls are hung on: dev, proc, run, tmp and etc are
// directories, and etc/hosts and etc/resolv.conf files.
Result<Image> ImportImage(const std::string& tar, const std::string& work,
                          const std::function<std::string(const std::string& id)>& root_of,
                          const ImportLimits& limits = {});

}  // namespace godwit::images
