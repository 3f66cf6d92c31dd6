#pragma once

// An image on its way in from another node: what is here already is found, the rest is taken.
//
// The counterpart of outgoing_image.h. Pages come in any order and any number of times, each with
// its sum, before or after the rest; a page that is in one of the images of `library` need not come
// at all. Both lie in files of the staging area until Store() makes them an image of this node,
// which refers to those of the library that it is worth it for. What comes is the word of another
// node: each page is summed again, the rest is parsed as foreign bytes. Threads: the pool, one call
// at a time. Lifetime: the blobs outlive it; the library is held meanwhile. Failure: kCorrupt for
// what is not what it is said to be; kNoSpace; kConflict if Store() lacks something.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/image.h"
#include "checkpoint/page_plan.h"
#include "storage/blobs.h"

namespace godwit::checkpoint {

class IncomingImage {
 public:
  // Two files without a name are made in `directory`. At most `most_bytes` are taken.
  static Result<std::unique_ptr<IncomingImage>> Begin(storage::Blobs& blobs,
                                                      const std::string& directory,
                                                      std::vector<ImageBase> library,
                                                      uint64_t most_bytes);

  // For each of the sums whether its page is to be sent: a bit, the lowest first.
  std::string Wanted(std::string_view sums);
  // Pages and their sums.
  Result<> TakePages(std::string_view sums, std::string_view pages);
  // What comes next of the rest.
  Result<> TakeRest(uint64_t offset, std::string_view bytes);
  // The facts that the image came with, when all of the rest is here.
  Result<std::string> Facts();

  // `facts` gets the places of bases in the library, as StoreImage() has it.
  Result<StoredImage> Store(const FactsOfImage& facts, const storage::PutOptions& options);
  const std::vector<ImageBase>& library() const { return library_; }

  uint64_t taken_bytes() const { return page_bytes_ + rest_bytes_; }

 private:
  struct Where {
    size_t base = 0;  // kReceived: in the file of pages
    uint32_t page = 0;
  };
  static constexpr size_t kReceived = SIZE_MAX;

  explicit IncomingImage(storage::Blobs& blobs) : blobs_(blobs) {}
  class Parts;

  storage::Blobs& blobs_;
  std::vector<ImageBase> library_;
  OfferedPools offered_;
  std::unordered_map<PageSum, Where, PageSumHash> known_;
  uint64_t most_bytes_ = 0;
  Fd pages_, rest_;
  uint64_t page_bytes_ = 0;
  uint64_t rest_bytes_ = 0;
};

}  // namespace godwit::checkpoint
