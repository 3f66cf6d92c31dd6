#pragma once

// Whether a certificate is believed, and why not, in words for people.
//
// Threads: any. Failure: none of their own.
#include <openssl/types.h>

#include <string>

#include "http/tls.h"

namespace godwit::http {

// Looks at the chain with OpenSSL, and then at what is expected beyond that. Empty: it is believed.
// Else the chain also has the error by which OpenSSL tells the other side.
std::string WhyDistrusted(X509_STORE_CTX* chain, const TlsExpectation& expected);

// An alert (RFC 8446 section 6.2) by which the other side refused this side's certificate.
bool IsAboutCertificates(int alert);
std::string WhyRefused(int alert);

}  // namespace godwit::http
