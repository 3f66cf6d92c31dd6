#include "storage/seal.h"

#include <openssl/evp.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <array>
#include <cstdlib>

namespace godwit::storage {
namespace {

bool HasAesInstructions() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  return (::getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return false;
#endif
}

std::array<unsigned char, 12> NonceOf(uint64_t number) {
  std::array<unsigned char, 12> nonce = {};
  for (size_t i = 0; i < 8; ++i) nonce[i] = static_cast<unsigned char>(number >> (8 * i));
  return nonce;
}

unsigned char* Raw(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Sealing fails only without memory or without the cipher: nothing can be stored safely then.
void Must(int answer) {
  if (answer != 1) std::abort();
}

}  // namespace

Cipher FasterCipher() {
  return HasAesInstructions() ? Cipher::kAes256Gcm : Cipher::kChaCha20Poly1305;
}

void Seal::Freed::operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }

Seal::Seal(Cipher cipher, const Digest& key) : context_(EVP_CIPHER_CTX_new()) {
  const EVP_CIPHER* const kind =
      cipher == Cipher::kAes256Gcm ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();
  Must(context_ != nullptr);
  Must(EVP_CipherInit_ex(context_.get(), kind, nullptr, key.data(), nullptr, 1));
}

void Seal::Close(uint64_t number, std::string_view bound, std::string_view plain, char* into) {
  EVP_CIPHER_CTX* const context = context_.get();
  int length = 0;
  Must(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, NonceOf(number).data(), 1));
  Must(EVP_EncryptUpdate(context, nullptr, &length, Raw(bound), static_cast<int>(bound.size())));
  Must(EVP_EncryptUpdate(context, Raw(into), &length, Raw(plain), static_cast<int>(plain.size())));
  Must(EVP_EncryptFinal_ex(context, Raw(into + plain.size()), &length));
  Must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, into + plain.size()));
}

Result<> Seal::Open(uint64_t number, std::string_view bound, std::string_view sealed, char* into) {
  if (sealed.size() < kTagBytes) return Fail(Code::kCorrupt, "it is shorter than its seal");
  const std::string_view closed = sealed.substr(0, sealed.size() - kTagBytes);
  std::array<char, kTagBytes> tag;
  sealed.copy(tag.data(), tag.size(), closed.size());
  EVP_CIPHER_CTX* const context = context_.get();
  int length = 0;
  Must(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, NonceOf(number).data(), 0));
  Must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()));
  Must(EVP_DecryptUpdate(context, nullptr, &length, Raw(bound), static_cast<int>(bound.size())));
  if (EVP_DecryptUpdate(context, Raw(into), &length, Raw(closed),
                        static_cast<int>(closed.size())) != 1 ||
      EVP_DecryptFinal_ex(context, Raw(into + closed.size()), &length) != 1) {
    return Fail(Code::kCorrupt, "its seal does not match");
  }
  return {};
}

}  // namespace godwit::storage
