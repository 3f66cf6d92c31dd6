#include "http/tls_distrust.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <memory>

#include "http/certificate.h"
#include "http/openssl.h"

namespace godwit::http {
namespace {

// The authority of this fingerprint among the certificates that were shown, or null.
X509* FindAuthority(X509_STORE_CTX* chain, const std::string& fingerprint) {
  STACK_OF(X509)* const shown = X509_STORE_CTX_get0_untrusted(chain);
  for (int i = 0; i < sk_X509_num(shown); ++i) {
    X509* const one = sk_X509_value(shown, i);
    const Certificate said = Certificate::Of(one);
    if (said.authority && said.fingerprint == fingerprint) return one;
  }
  return nullptr;
}

std::string WhyNotVerified(int error, const X509* shown) {
  const Certificate said = Certificate::Of(shown);
  const std::string whose = "the certificate of '" + said.name + "'";
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return whose + " ended at " + ToText(said.until) + " (are the clocks right?)";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return whose + " begins at " + ToText(said.from) + " (are the clocks right?)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return whose + " is signed by another authority, '" + said.issuer + "'";
    default:
      return whose + " is not good: " + X509_verify_cert_error_string(error);
  }
}

}  // namespace

std::string WhyDistrusted(X509_STORE_CTX* chain, const TlsExpectation& expected) {
  struct Dropped {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
  };
  std::unique_ptr<STACK_OF(X509), Dropped> pinned;
  const X509* const shown = X509_STORE_CTX_get0_cert(chain);
  if (!expected.authority.empty()) {
    X509* const authority = FindAuthority(chain, expected.authority);
    if (authority == nullptr) {
      X509_STORE_CTX_set_error(chain, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
      return WhyNotVerified(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, shown);
    }
    pinned.reset(sk_X509_new_null());
    sk_X509_push(pinned.get(), authority);
    X509_STORE_CTX_set0_trusted_stack(chain, pinned.get());
  }
  if (X509_verify_cert(chain) != 1) {
    const X509* const at = X509_STORE_CTX_get_current_cert(chain);
    const int error = X509_STORE_CTX_get_error(chain);
    const bool of_time =
        error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
    return WhyNotVerified(error, of_time && at != nullptr ? at : shown);
  }
  const Certificate said = Certificate::Of(shown);
  const bool other = !expected.fingerprint.empty() && said.fingerprint != expected.fingerprint;
  const bool misnamed = !expected.name.empty() && said.name != expected.name;
  if (!other && !misnamed) return {};
  X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
  if (misnamed) return "it is '" + said.name + "', not '" + expected.name + "'";
  return "it is '" + said.name + "' with another certificate than the one that is known";
}

bool IsAboutCertificates(int alert) {
  switch (alert) {
    case SSL_AD_NO_CERTIFICATE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_DECRYPT_ERROR:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

std::string WhyRefused(int alert) {
  switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "it demands a certificate, and was shown none";
    case SSL_AD_UNKNOWN_CA:
      return "it does not know the authority of this side's certificate";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "to it, this side's certificate has expired (are the clocks right?)";
    default:
      return std::string("it refused this side's certificate: ") +
             SSL_alert_desc_string_long(alert);
  }
}

}  // namespace godwit::http
