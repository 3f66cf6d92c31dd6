#pragma once

// TLS 1.3 (RFC 8446) under a stream: who this side is, and whom it believes.
//
// A context is made once and shared by many connections, of servers and clients alike; a copy is
// another handle on the same. Sessions are not resumed: each handshake looks at the certificates as
// they are now. Threads: one context, one loop. Failure: kInvalid for PEM text that is none, for a
// key that is another certificate's.
#include <openssl/types.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace godwit::http {

// What a server wants of its clients.
enum class ClientCertificate {
  kNotAsked,
  kIfThere,   // one that is shown must be good; without one the request has no peer
  kDemanded,  // without a good one there is no connection
};

struct TlsOptions {
  // PEM: this side's own, then what leads from it to its authority. A client that shows none has
  // neither this nor a key.
  std::string certificate{};
  std::string key{};  // PEM, of the first certificate
  // PEM: whose signatures count on a peer's certificate. Empty: the authorities of this system.
  std::string authorities{};
  ClientCertificate of_clients = ClientCertificate::kDemanded;
};

// What a client expects of a server's certificate, beyond that an authority has signed it and that
// it has not expired. What is empty does not count.
struct TlsExpectation {
  std::string name{};  // the common name of its subject
  std::string host{};  // a DNS name or IP address that it is made out to (RFC 6125)
  // The fingerprint (certificate.h) of an authority that the server shows together with its own
  // certificate: that one and no other counts. For who has not got the authority's certificate yet.
  std::string authority{};
  std::string fingerprint{};  // of its own certificate
};

class TlsContext {
 public:
  static Result<TlsContext> Make(const TlsOptions& options);

  SSL_CTX* native() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<SSL_CTX> context) : context_(std::move(context)) {}
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace godwit::http
