#pragma once

// The images of templates, unpacked and ready to be brought back, the most used of them within a
// budget.
//
// They lie beside the staging areas of instances, in the same tmpfs, so that a clone shares the
// memory's file by a hard link. What does not fit, and a template whose instance has files in its
// /tmp, comes from the sealed image each time. Threads: the pool, any of it. Failure: kCorrupt for
// an image that is damaged or another's; what the blobs say. After a failure the places may hold
// some files.
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/error.h"
#include "checkpoint/image.h"
#include "functions/template.h"
#include "storage/blobs.h"

namespace godwit::functions {

class TemplateCache {
 public:
  // `directory` is made when it is first needed; `budget` in bytes.
  TemplateCache(storage::Blobs& blobs, std::string directory, uint64_t budget)
      : blobs_(blobs), directory_(std::move(directory)), budget_(budget) {}

  // Puts the template's files in their places, for an instance whose user is `uid`. If `late`,
  // memory may come when its processes run already, from the file that all clones share.
  Result<checkpoint::FetchedImage> Place(const Template& source,
                                         const checkpoint::ImagePlaces& places, uint32_t uid,
                                         bool late = false);
  // Unpacks it before it is needed, which also tells whether it can be read.
  Result<> Warm(const Template& source);
  // What a clone of it touched first, which the next ones get first; the first word counts.
  void Learn(const storage::BlobId& image, std::span<const uint64_t> working_set);
  // Its image is removed next.
  void Drop(const storage::BlobId& image);
  // Of what is unpacked at present.
  uint64_t bytes() const;

 private:
  struct Entry {
    std::mutex busy;                  // while it is unpacked, read or removed; of what follows
    bool tried = false;               // to unpack it
    std::atomic<bool> whole = false;  // it lies there
    bool learnt = false;              // with its working set
    std::atomic<uint64_t> bytes = 0;
    uint64_t used = 0;  // counts up; of mutex_
  };
  using Shared = std::shared_ptr<Entry>;

  Shared Find(const storage::BlobId& image);
  std::string Place(const storage::BlobId& image) const { return directory_ + "/" + image.hex; }
  Result<> Unpack(const Template& source, Entry& entry);
  void Evict(const Entry& keep);

  storage::Blobs& blobs_;
  const std::string directory_;
  const uint64_t budget_;
  mutable std::mutex mutex_;  // of what follows
  std::map<std::string, Shared> entries_;
  uint64_t clock_ = 0;
};

}  // namespace godwit::functions
