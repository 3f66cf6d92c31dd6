#include "http/tls_channel.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "http/certificate.h"
#include "http/openssl.h"
#include "http/tls_distrust.h"
#include "http/tls_socket.h"

namespace godwit::http {
namespace {

// What goes as one record (RFC 8446 section 5.1).
constexpr size_t kRecord = size_t{16} << 10;

void Must(bool done) {
  if (!done) std::abort();
}

void ExpectHost(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const verifying = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(verifying, host.c_str()) != 1) {
    ERR_clear_error();
    Must(X509_VERIFY_PARAM_set1_host(verifying, host.c_str(), host.size()) == 1);
    Must(SSL_set_tlsext_host_name(ssl, host.c_str()) == 1);
  }
}

}  // namespace

TlsChannel::TlsChannel(const TlsContext& context, int socket,
                       const std::optional<TlsExpectation>& expectation)
    : ssl_(SSL_new(context.native())), expectation_(expectation) {
  Must(ssl_ != nullptr);
  BIO* const bio = MakeSocketBio(socket);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  if (!expectation_) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  SSL_set_verify(ssl_, SSL_VERIFY_PEER, nullptr);
  if (!expectation_->host.empty()) ExpectHost(ssl_, expectation_->host);
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

int TlsChannel::Handshake() {
  if (failed_ != 0) return failed_;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done != 1) return Failed(done);
  has_more_ = SSL_has_pending(ssl_) == 1;
  return 0;
}

ssize_t TlsChannel::Receive(std::span<char> into) {
  size_t count = 0;
  int outcome = -EAGAIN;
  while (count < into.size()) {
    if (failed_ != 0) {
      outcome = failed_;
      break;
    }
    ERR_clear_error();
    size_t came = 0;
    const int done = SSL_read_ex(ssl_, into.data() + count, into.size() - count, &came);
    if (done != 1) {
      outcome = Failed(done);
      break;
    }
    count += came;
  }
  // An end or a failure behind what came is told by the next try, which need not wait for it.
  has_more_ = count == into.size() ? SSL_has_pending(ssl_) == 1 : count > 0 && outcome != -EAGAIN;
  return count > 0 ? static_cast<ssize_t>(count) : outcome;
}

ssize_t TlsChannel::Send(std::initializer_list<std::string_view> pieces) {
  if (failed_ != 0) return failed_;
  std::string_view first;
  size_t size = 0;
  for (const std::string_view piece : pieces) {
    if (first.empty()) first = piece;
    size += piece.size();
  }
  if (size == 0) return 0;
  if (first.size() >= kRecord || first.size() == size) return Give(first.substr(0, kRecord));
  if (!gathered_) gathered_ = std::make_unique_for_overwrite<char[]>(kRecord);
  size_t count = 0;
  for (const std::string_view piece : pieces) {
    const size_t part = std::min(piece.size(), kRecord - count);
    std::memcpy(gathered_.get() + count, piece.data(), part);
    count += part;
  }
  return Give({gathered_.get(), count});
}

ssize_t TlsChannel::Give(std::string_view bytes) {
  ERR_clear_error();
  size_t went = 0;
  const int done = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &went);
  return done == 1 ? static_cast<ssize_t>(went) : Failed(done);
}

void TlsChannel::SayGoodbye() {
  if (failed_ != 0 || SSL_is_init_finished(ssl_) != 1) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

Identity TlsChannel::peer() const {
  const X509* const shown = SSL_get0_peer_certificate(ssl_);
  if (shown == nullptr) return {};
  Certificate said = Certificate::Of(shown);
  return {.name = std::move(said.name), .fingerprint = std::move(said.fingerprint)};
}

int TlsChannel::Verify(X509_STORE_CTX* chain, void*) {
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return static_cast<TlsChannel*>(SSL_get_app_data(ssl))->Judge(chain);
}

int TlsChannel::Judge(X509_STORE_CTX* chain) {
  static const TlsExpectation kAnybody;
  distrust_ = WhyDistrusted(chain, expectation_.value_or(kAnybody));
  return distrust_.empty() ? 1 : 0;
}

int TlsChannel::Break(int error, Code code, std::string why) {
  failed_ = -error;
  failure_ = Error(code, std::move(why));
  return failed_;
}

// What the last try of OpenSSL, with this result, means to the caller of ours.
int TlsChannel::Failed(int result) {
  const int error = errno;
  const int kind = SSL_get_error(ssl_, result);
  waits_to_write_ = kind == SSL_ERROR_WANT_WRITE;
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return -EAGAIN;
  if (kind == SSL_ERROR_ZERO_RETURN) return 0;
  const unsigned long first = ERR_peek_error();
  ERR_clear_error();
  if (kind == SSL_ERROR_SYSCALL && first == 0) {
    return error != 0 ? Break(error, Code::kUnavailable, ErrnoText(error))
                      : Break(ECONNRESET, Code::kUnavailable, "it was cut off");
  }
  return FailOfTls(first);
}

int TlsChannel::FailOfTls(unsigned long error) {
  const int reason = ERR_GET_REASON(error);
  if (!distrust_.empty()) return Break(EACCES, Code::kDenied, distrust_);
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    return Break(EACCES, Code::kDenied, "it has shown no certificate");
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return Break(ECONNRESET, Code::kUnavailable, "it was cut off");
  if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    if (IsAboutCertificates(alert)) return Break(EACCES, Code::kDenied, WhyRefused(alert));
    return Break(EPROTO, Code::kInvalid,
                 std::string("it ended TLS: ") + SSL_alert_desc_string_long(alert));
  }
  met_plain_http_ = reason == SSL_R_HTTP_REQUEST;
  if (SSL_is_init_finished(ssl_) == 1) {
    const char* const text = ERR_reason_error_string(error);
    return Break(EPROTO, Code::kCorrupt,
                 std::string("what came is no TLS any more: ") + (text ? text : "unknown"));
  }
  const char* const text = ERR_reason_error_string(error);
  return Break(EPROTO, Code::kInvalid,
               std::string("it speaks no TLS 1.3: ") + (text ? text : "unknown"));
}

}  // namespace godwit::http
