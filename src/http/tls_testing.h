#pragma once

// An authority and those whom it certifies, made anew for each test.
//
// Threads: one. Failure: exceptions, which fail the test.
#include <chrono>
#include <string>

#include "http/certificate.h"
#include "http/tls.h"

namespace godwit::http::testing {

struct Authority {
  explicit Authority(const std::string& name) {
    Certification wanted = Wanted(name, key);
    wanted.authority = true;
    certificate = Certify(wanted, "", key).value();
  }

  static std::chrono::sys_seconds Now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  static Certification Wanted(const std::string& name, const std::string& of_key) {
    return {.name = name,
            .public_key = PublicKeyOf(of_key).value(),
            .from = Now() - std::chrono::hours(1),
            .until = Now() + std::chrono::hours(1)};
  }

  // Who believes this authority, and shows what it has signed.
  TlsOptions Member(const std::string& name) const { return Member(Wanted(name, MakeKey())); }
  // The same with times as `shape` has them.
  TlsOptions Member(Certification shape) const {
    TlsOptions options;
    options.key = MakeKey();
    shape.public_key = PublicKeyOf(options.key).value();
    options.certificate = Certify(shape, certificate, key).value() + certificate;
    options.authorities = certificate;
    return options;
  }
  // Who believes this authority and shows nothing.
  TlsOptions Stranger() const {
    TlsOptions options;
    options.authorities = certificate;
    return options;
  }

  std::string key = MakeKey();
  std::string certificate;
};

}  // namespace godwit::http::testing
