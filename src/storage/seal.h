#pragma once

// Sealing: bytes made unreadable and unchangeable under a key (AEAD, RFC 5116).
//
// AES-256-GCM where the processor has AES instructions, else ChaCha20-Poly1305 (RFC 8439); both can
// be opened everywhere. A Seal is made for one key and used for many messages with different
// numbers; the caller answers for never sealing two messages with one key and number.
// Threads: one at a time. Failure: Close() of bytes that were not sealed so is kCorrupt.
#include <openssl/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.h"
#include "storage/leaf_hash.h"

namespace godwit::storage {

// The values stand in stored files.
enum class Cipher : uint8_t { kAes256Gcm = 1, kChaCha20Poly1305 = 2 };

// The faster one on this processor.
Cipher FasterCipher();

class Seal {
 public:
  static constexpr size_t kTagBytes = 16;

  Seal(Cipher cipher, const Digest& key);

  // Writes plain.size() + kTagBytes bytes to `into`, which may be where `plain` lies. `bound` is
  // not stored but must be the same at Open().
  void Close(uint64_t number, std::string_view bound, std::string_view plain, char* into);
  // The reverse: writes sealed.size() - kTagBytes bytes to `into`, which may be where `sealed`
  // lies. After kCorrupt, what was written is worthless and must not be looked at.
  Result<> Open(uint64_t number, std::string_view bound, std::string_view sealed, char* into);

 private:
  struct Freed {
    void operator()(EVP_CIPHER_CTX* context) const;
  };

  std::unique_ptr<EVP_CIPHER_CTX, Freed> context_;
};

}  // namespace godwit::storage
