#pragma once

// Keys and certificates, made and read: Ed25519 (RFC 8410) in X.509 v3 (RFC 5280), as PEM text.
//
// Use it for an authority of one's own and for what it signs. A fingerprint is the SHA-256 of the
// whole certificate, in hexadecimal. Threads: any; values. Failure: kInvalid for text that is not
// what it should be, with nothing of a key in the error; kUnsupported for a key of another kind.
#include <openssl/types.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::http {

// What a certificate says.
struct Certificate {
  std::string name{};          // its subject's common name
  std::string organization{};  // its subject's, "" if it has none
  std::string issuer{};        // the common name of who signed it
  std::string fingerprint{};
  bool authority = false;  // may sign others
  std::chrono::sys_seconds from{};
  std::chrono::sys_seconds until{};

  // Of the first certificate in `pem`.
  static Result<Certificate> Parse(std::string_view pem);
  static Certificate Of(const X509* certificate);
};

// What is to be certified. An authority signs itself when it has no issuer.
struct Certification {
  std::string name{};
  std::string organization{};
  std::string public_key{};  // PEM, as PublicKeyOf() gives it
  bool authority = false;
  std::chrono::sys_seconds from{};
  std::chrono::sys_seconds until{};
};

// A new private key, PEM (PKCS #8).
std::string MakeKey();
Result<std::string> PublicKeyOf(std::string_view private_key);
// The certificate as PEM, signed with `issuer_key`. `issuer` is the authority's certificate, PEM;
// "": the certificate signs itself.
Result<std::string> Certify(const Certification& wanted, std::string_view issuer,
                            std::string_view issuer_key);

// "2027-01-31 12:00:00 UTC", for errors.
std::string ToText(std::chrono::sys_seconds when);

}  // namespace godwit::http
