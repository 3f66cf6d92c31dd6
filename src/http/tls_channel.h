#pragma once

// The TLS of one connection, over its non-blocking socket; only stream.cc needs it.
//
// Like the socket's own, its tries never wait: -EAGAIN says that the socket has to become readable
// or, in the middle of either, writable first (waits_to_write()). Once one has failed, all do; then
// failure() tells why, with the other side's certificate in the text if that was the reason:
// kDenied for who is not trusted, on either side, kInvalid for what is no TLS, kUnavailable for an
// end without a goodbye. Threads: one loop. Lifetime: the socket outlives it.
#include <sys/types.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"
#include "http/tls.h"

namespace godwit::http {

class TlsChannel {
 public:
  // A client's, if there is an expectation; else a server's.
  TlsChannel(const TlsContext& context, int socket,
             const std::optional<TlsExpectation>& expectation);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  // 0 when it is done, and from then on.
  int Handshake();
  ssize_t Receive(std::span<char> into);
  // After -EAGAIN the same bytes come again, in pieces like before or further apart.
  ssize_t Send(std::initializer_list<std::string_view> pieces);
  // Tells the other side that all has been said (close_notify), as far as the socket takes it.
  void SayGoodbye();

  bool waits_to_write() const { return waits_to_write_; }
  // Bytes have come out of the socket and not out of Receive().
  bool has_more() const { return has_more_; }
  // The other side began with a line of HTTP.
  bool met_plain_http() const { return met_plain_http_; }
  // What the other side's certificate says; nothing if it has shown none.
  Identity peer() const;
  bool failed() const { return failed_ != 0; }
  const Error& failure() const { return failure_; }

  // What a context has OpenSSL call for the other side's certificate.
  static int Verify(X509_STORE_CTX* chain, void*);

 private:
  int Judge(X509_STORE_CTX* chain);
  int Failed(int result);
  int Break(int error, Code code, std::string why);
  int FailOfTls(unsigned long error);
  ssize_t Give(std::string_view bytes);

  SSL* ssl_;
  std::optional<TlsExpectation> expectation_;
  std::unique_ptr<char[]> gathered_;  // small pieces that go as one record
  std::string distrust_;              // why the other side's certificate was refused
  int failed_ = 0;                    // -errno of all tries to come
  bool waits_to_write_ = false;
  bool has_more_ = false;
  bool met_plain_http_ = false;
  Error failure_{Code::kInternal, ""};
};

}  // namespace godwit::http
