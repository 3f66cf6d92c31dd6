#pragma once

// A SHA-256 that is fed piece by piece, as images name their parts: "sha256:" and hexadecimal.
//
// Threads: one at a time. Failure: of OfFile(): the file cannot be read.
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::images {

class Digest {
 public:
  Digest();
  void Add(std::string_view bytes);
  // Once, at the end.
  std::string Text();

  static Result<std::string> OfFile(const std::string& path);

 private:
  struct Freed {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Freed> context_;
};

}  // namespace godwit::images
