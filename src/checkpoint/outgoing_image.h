#pragma once

// An image as it is sent to another node: its pages one by one, and all else in one piece.
//
// What it refers to in other images is part of it here: the pages that it needs, its own and those
// of its bases, are numbered in one row, each content once, and whoever takes them asks by their
// sums for those that it has not got. The rest is an image of format 3 (docs/formats/image.md)
// without the bytes of its pool: it names no bases, and its sums are those of the row.
// incoming_image.h puts both together. Threads: the pool, one call at a time. Lifetime: the blobs
// outlive it, and keep their names while it is used. Failure: kCorrupt and kNotFound, naming the
// blob; kUnsupported for an image whose pages have no sums.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/manifest.h"
#include "checkpoint/page_plan.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

class OutgoingImage {
 public:
  // `bond` and `bases` as FetchImage() has them.
  static Result<std::unique_ptr<OutgoingImage>> Open(storage::Blobs& blobs,
                                                     const storage::BlobId& id,
                                                     std::string_view bond,
                                                     std::span<const ImageBase> bases);

  // kSumBytes for each page.
  const std::string& sums() const { return sums_; }
  uint32_t pages() const { return static_cast<uint32_t>(places_.size()); }
  // Fills `into` with the pages of these numbers.
  Result<> ReadPages(std::span<const uint32_t> numbers, std::span<char> into);

  // Of the rest: manifest, CRIU's files, sums, the content of /tmp.
  uint64_t rest_bytes() const { return rest_bytes_; }
  Result<> ReadRest(uint64_t offset, std::span<char> into);

 private:
  struct Place {
    uint8_t owner = 0;
    uint64_t at = 0;  // in the content of its owner's blob
  };
  struct Owner {
    std::unique_ptr<storage::BlobReader> blob;
    PagePool pool;
    std::vector<uint32_t> numbers;  // of its pages in the row; UINT32_MAX: not needed
  };
  struct Stretch {  // of the rest, in the image's own blob
    uint64_t from = 0;
    uint64_t bytes = 0;
  };

  OutgoingImage() = default;
  Result<> Number(Manifest& manifest);
  void Rewrite(PlacedManifest image);

  std::vector<Owner> owners_;  // the image itself first
  std::vector<Place> places_;  // of the row
  std::string sums_;
  std::string head_;                // of the rest
  std::vector<Stretch> stretches_;  // behind it, and around the sums
  size_t before_sums_ = 0;          // how many of the stretches lie before the sums
  uint64_t rest_bytes_ = 0;
};

}  // namespace godwit::checkpoint
