#include "http/certificate.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/bytes.h"
#include "base/try.h"
#include "http/openssl.h"

namespace godwit::http {
namespace {

using std::chrono::sys_seconds;

// Fails only without memory, or without the algorithm that the whole build rests on.
void Must(bool done) {
  if (!done) std::abort();
}

std::string EntryOf(const X509_NAME* name, int kind) {
  const int at = X509_NAME_get_index_by_NID(name, kind, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string entry(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return entry;
}

sys_seconds TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

bool SetName(X509_NAME* name, const Certification& wanted) {
  const auto add = [name](int kind, const std::string& text) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    return text.empty() || X509_NAME_add_entry_by_NID(name, kind, MBSTRING_UTF8, bytes,
                                                      static_cast<int>(text.size()), -1, 0) == 1;
  };
  return !wanted.name.empty() && add(NID_organizationName, wanted.organization) &&
         add(NID_commonName, wanted.name);
}

void AddExtension(X509* certificate, const X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  Must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// So that two of one authority never have the same (RFC 5280 section 4.1.2.2): random, positive.
void SetSerial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  Must(RAND_bytes(bytes.data(), bytes.size()) == 1);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  BIGNUM* number = BN_bin2bn(bytes.data(), bytes.size(), nullptr);
  Must(number != nullptr);
  Must(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr);
  BN_free(number);
}

void SetTimes(X509* certificate, const Certification& wanted) {
  Must(ASN1_TIME_set(X509_getm_notBefore(certificate), wanted.from.time_since_epoch().count()) &&
       ASN1_TIME_set(X509_getm_notAfter(certificate), wanted.until.time_since_epoch().count()));
}

std::string ToPem(X509* certificate) {
  const BioPtr into(BIO_new(BIO_s_mem()));
  Must(into && PEM_write_bio_X509(into.get(), certificate) == 1);
  return TakeText(into.get());
}

}  // namespace

std::string ToText(sys_seconds when) {
  const std::time_t seconds = when.time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

Certificate Certificate::Of(const X509* certificate) {
  Certificate said;
  said.name = EntryOf(X509_get_subject_name(certificate), NID_commonName);
  said.organization = EntryOf(X509_get_subject_name(certificate), NID_organizationName);
  said.issuer = EntryOf(X509_get_issuer_name(certificate), NID_commonName);
  said.authority = X509_check_ca(const_cast<X509*>(certificate)) == 1;
  said.from = TimeOf(X509_get0_notBefore(certificate));
  said.until = TimeOf(X509_get0_notAfter(certificate));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  Must(X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1);
  said.fingerprint = ToHex({reinterpret_cast<const char*>(digest.data()), size});
  return said;
}

Result<Certificate> Certificate::Parse(std::string_view pem) {
  const auto found = ReadCertificates(pem);
  if (found.empty()) return Fail(Code::kInvalid, "it is no certificate in PEM");
  return Of(found.front().get());
}

std::string MakeKey() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const BioPtr into(BIO_new(BIO_s_secmem()));
  Must(key && into &&
       PEM_write_bio_PKCS8PrivateKey(into.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                     nullptr) == 1);
  return TakeText(into.get());
}

Result<std::string> PublicKeyOf(std::string_view private_key) {
  const KeyPtr key = ReadKey(private_key);
  if (!key) return Fail(Code::kInvalid, "it is no private key in PEM");
  const BioPtr into(BIO_new(BIO_s_mem()));
  Must(into && PEM_write_bio_PUBKEY(into.get(), key.get()) == 1);
  return TakeText(into.get());
}

Result<std::string> Certify(const Certification& wanted, std::string_view issuer,
                            std::string_view issuer_key) {
  const KeyPtr key = ReadPublicKey(wanted.public_key);
  if (!key) return Fail(Code::kInvalid, "cannot certify '{}': no public key in PEM", wanted.name);
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    return Fail(Code::kUnsupported, "cannot certify '{}': its key is not of Ed25519", wanted.name);
  }
  const KeyPtr signer = ReadKey(issuer_key);
  if (!signer) {
    return Fail(Code::kInvalid, "cannot certify '{}': the authority's key is no private key in PEM",
                wanted.name);
  }
  const CertificatePtr made(X509_new());
  const auto issuers = ReadCertificates(issuer);
  if (!issuer.empty() && issuers.empty()) {
    return Fail(Code::kInvalid, "cannot certify '{}': the authority's certificate is none in PEM",
                wanted.name);
  }
  const X509* by = issuers.empty() ? made.get() : issuers.front().get();
  Must(made && X509_set_version(made.get(), X509_VERSION_3) == 1);
  SetSerial(made.get());
  SetTimes(made.get(), wanted);
  if (!SetName(X509_get_subject_name(made.get()), wanted)) {
    ERR_clear_error();
    return Fail(Code::kInvalid, "cannot certify '{}': a name has 1 to 64 characters of UTF-8",
                wanted.name);
  }
  Must(X509_set_pubkey(made.get(), key.get()) == 1);
  Must(X509_set_issuer_name(made.get(), X509_get_subject_name(by)) == 1);
  AddExtension(made.get(), by, NID_basic_constraints,
               wanted.authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE");
  AddExtension(made.get(), by, NID_key_usage,
               wanted.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!wanted.authority) AddExtension(made.get(), by, NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(made.get(), by, NID_subject_key_identifier, "hash");
  AddExtension(made.get(), by, NID_authority_key_identifier, "keyid:always");
  // Ed25519 has its hash built in, so that no other is named (RFC 8032).
  if (X509_sign(made.get(), signer.get(), nullptr) == 0) {
    ERR_clear_error();
    return Fail(Code::kInvalid, "cannot certify '{}': the authority's key does not sign",
                wanted.name);
  }
  return ToPem(made.get());
}

}  // namespace godwit::http
