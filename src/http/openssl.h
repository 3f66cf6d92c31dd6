#pragma once

// OpenSSL's objects with an owner, and PEM text read into them.
//
// Only for the sources that speak to OpenSSL. Threads: as OpenSSL's objects: one at a time.
// Failure: readers give null and leave OpenSSL's list of errors empty.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::http {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;

inline BioPtr ReadFrom(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
inline std::string TakeText(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<size_t>(size)};
}

// A key with a passphrase is none: nobody is here to be asked for it.
inline int NoPassphrase(char*, int, int, void*) { return -1; }

inline KeyPtr ReadKey(std::string_view pem) {
  const BioPtr from = ReadFrom(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(from.get(), nullptr, &NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}
inline KeyPtr ReadPublicKey(std::string_view pem) {
  const BioPtr from = ReadFrom(pem);
  KeyPtr key(PEM_read_bio_PUBKEY(from.get(), nullptr, &NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}
// All that stand in `pem`, in their order.
inline std::vector<CertificatePtr> ReadCertificates(std::string_view pem) {
  std::vector<CertificatePtr> found;
  const BioPtr from = ReadFrom(pem);
  while (X509* next = PEM_read_bio_X509(from.get(), nullptr, &NoPassphrase, nullptr)) {
    found.emplace_back(next);
  }
  ERR_clear_error();
  return found;
}

}  // namespace godwit::http
