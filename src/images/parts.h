#pragma once

// The parts of an image's tar, each a numbered file of ours, whatever its name in there was.
//
// A name, which comes from a stranger, is nothing but the key under which its bytes are found;
// symbolic links among the parts, which older `docker save` archives have, are names for the same
// bytes. Threads: one. Failure: kInvalid, kTooLarge for the tar; kNotFound for a part that is not
// there; kCorrupt for one that is not what its digest says.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "images/tar_stream.h"

namespace godwit::images {

class Parts {
 public:
  // Takes the tar apart into the directory `work`.
  static Result<Parts> Of(const std::string& tar, const std::string& work, uint64_t most_bytes,
                          uint64_t most_parts);

  bool Has(std::string_view name) const;
  // The file that holds it.
  Result<std::string> Find(std::string_view name) const;
  // A document, at most kMaxJson.
  Result<std::string> Read(std::string_view name) const;
  // The same of an OCI layout's blob, checked.
  Result<std::string> FindBlob(std::string_view digest) const;
  Result<std::string> ReadBlob(std::string_view digest) const;

 private:
  explicit Parts(std::string work) : work_(std::move(work)) {}
  Result<> Take(TarStream& tar, archive_entry* entry, uint64_t& left);

  std::string work_;
  std::map<std::string, std::string, std::less<>> files_;  // by name: ours
  std::map<std::string, std::string, std::less<>> links_;  // by name: another name
};

}  // namespace godwit::images
