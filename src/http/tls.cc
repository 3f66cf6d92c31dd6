#include "http/tls.h"

#include <openssl/ssl.h>

#include <cstdlib>
#include <utility>

#include "http/openssl.h"
#include "http/tls_channel.h"

namespace godwit::http {
namespace {

// The first that both sides know is taken; each is strong, and the first is the fastest where the
// processor has AES.
constexpr const char* kCiphers =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Several records come with one system call.
constexpr size_t kReadAhead = size_t{64} << 10;

void Must(bool done) {
  if (!done) std::abort();  // no memory, or not the OpenSSL this was built with
}

int ModeOf(ClientCertificate wanted) {
  switch (wanted) {
    case ClientCertificate::kNotAsked:
      return SSL_VERIFY_NONE;
    case ClientCertificate::kIfThere:
      return SSL_VERIFY_PEER;
    case ClientCertificate::kDemanded:
      break;
  }
  return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

Result<> ShowOwn(SSL_CTX* context, const TlsOptions& options) {
  const auto own = ReadCertificates(options.certificate);
  if (own.empty()) return Fail(Code::kInvalid, "cannot speak TLS: the certificate is none in PEM");
  const KeyPtr key = ReadKey(options.key);
  if (!key) return Fail(Code::kInvalid, "cannot speak TLS: the key is no private key in PEM");
  bool taken = SSL_CTX_use_certificate(context, own.front().get()) == 1 &&
               SSL_CTX_use_PrivateKey(context, key.get()) == 1 &&
               SSL_CTX_check_private_key(context) == 1;
  for (size_t i = 1; taken && i < own.size(); ++i) {
    taken = SSL_CTX_add1_chain_cert(context, own[i].get()) == 1;
  }
  ERR_clear_error();
  if (!taken) return Fail(Code::kInvalid, "cannot speak TLS: the key is not the certificate's");
  return {};
}

Result<> Believe(SSL_CTX* context, const std::string& authorities) {
  if (authorities.empty()) {
    Must(SSL_CTX_set_default_verify_paths(context) == 1);
    return {};
  }
  const auto believed = ReadCertificates(authorities);
  if (believed.empty()) {
    return Fail(Code::kInvalid, "cannot speak TLS: the authority's certificate is none in PEM");
  }
  for (const CertificatePtr& authority : believed) {
    Must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) == 1);
  }
  return {};
}

}  // namespace

Result<TlsContext> TlsContext::Make(const TlsOptions& options) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  Must(context != nullptr);
  SSL_CTX* const raw = context.get();
  Must(SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) == 1);
  Must(SSL_CTX_set_ciphersuites(raw, kCiphers) == 1);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_default_read_buffer_len(raw, kReadAhead);
  SSL_CTX_set_verify(raw, ModeOf(options.of_clients), nullptr);
  SSL_CTX_set_cert_verify_callback(raw, &TlsChannel::Verify, nullptr);
  if (!options.certificate.empty() || !options.key.empty()) {
    if (auto shown = ShowOwn(raw, options); !shown) return std::unexpected(shown.error());
  }
  if (auto believed = Believe(raw, options.authorities); !believed)
    return std::unexpected(believed.error());
  return TlsContext(std::move(context));
}

}  // namespace godwit::http
