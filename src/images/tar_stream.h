#pragma once

// A tar of a stranger, entry by entry; what packs it (gzip, zstd) is taken off.
//
// Threads: one. Failure: kInvalid for what is no whole tar, or longer than it may be.
#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "images/digest.h"

namespace godwit::images {

class TarStream {
 public:
  // Entries of the tar in `file`, which may have `most` bytes when nothing packs it.
  static Result<std::unique_ptr<TarStream>> Open(const std::string& file, uint64_t most);
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;
  ~TarStream();

  // The next entry, alive until the one after it; nullptr at the end.
  Result<archive_entry*> Next();
  // The next bytes of the entry, alive until the next call; none at its end.
  Result<std::string_view> Read();
  // The digest of the plain tar, after Next() has said that it ends.
  Result<std::string> DiffId();

 private:
  explicit TarStream(uint64_t most) : left_(most) {}
  static la_ssize_t Feed(archive*, void* self, const void** bytes);
  la_ssize_t More(const void** bytes);
  Result<> Opened(const std::string& file);

  struct Freed {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };
  std::unique_ptr<archive, Freed> plain_;  // takes off what packs it
  std::unique_ptr<archive, Freed> tar_;    // reads the entries
  uint64_t left_;
  std::string buffer_, piece_;
  Digest digest_;
};

// "cannot say" is of no use to anybody.
std::string ReasonOf(archive* reader);

}  // namespace godwit::images
