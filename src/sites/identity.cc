#include "sites/identity.h"

#include <chrono>

#include "base/bytes.h"
#include "base/try.h"
#include "http/certificate.h"
#include "http/url.h"
#include "sites/records.h"

namespace godwit::sites {
namespace {

// Clocks of nodes may differ, and nobody renews certificates here: who must go is evicted.
constexpr auto kBefore = std::chrono::hours(24);
constexpr auto kYears = std::chrono::years(20);

std::chrono::sys_seconds SecondsOf(WallTime time) {
  return std::chrono::sys_seconds(std::chrono::floor<std::chrono::seconds>(time.since_epoch));
}

http::Certification Wanted(std::string name, const std::string& site, std::string public_key,
                           WallTime now) {
  return {.name = std::move(name),
          .organization = site,
          .public_key = std::move(public_key),
          .from = SecondsOf(now) - kBefore,
          .until = SecondsOf(now) + std::chrono::floor<std::chrono::seconds>(kYears)};
}

Result<> CheckName(const std::string& name) {
  if (IsNodeName(name)) return {};
  return Fail(Code::kInvalid, "'{}' is no node's name (1 to 63 lower-case letters, digits and '-')",
              name);
}

}  // namespace

http::TlsOptions Identity::Tls() const {
  http::TlsOptions options;
  // The authority goes along, so that a newcomer who knows its fingerprint can find it.
  options.certificate = certificate + ca_certificate;
  options.key = key;
  options.authorities = ca_certificate;
  return options;
}

std::string Identity::ca_fingerprint() const {
  const auto said = http::Certificate::Parse(ca_certificate);
  return said ? said->fingerprint : "";
}

std::string Identity::fingerprint() const {
  const auto said = http::Certificate::Parse(certificate);
  return said ? said->fingerprint : "";
}

Result<> CheckAddress(std::string_view address) {
  const auto url = http::Url::Parse("https://" + std::string(address));
  // The port is never left out, and never the kernel's to choose.
  if (url && address.ends_with(":" + url->port) && url->port != "0") return {};
  return Fail(Code::kInvalid, "'{}' is no address of a node (write it as HOST:PORT)", address);
}

Result<Identity> MakeSite(std::string name, std::string address, std::string coordinator,
                          Entropy& entropy, WallTime now) {
  GODWIT_TRY(CheckName(name));
  GODWIT_TRY(CheckAddress(address));
  Identity made;
  made.site = ToHex(entropy.Bytes(8));
  made.name = std::move(name);
  made.address = std::move(address);
  made.coordinator = std::move(coordinator);
  made.site_key = entropy.Bytes(32);
  made.ca_key = http::MakeKey();
  GODWIT_TRY(std::string public_key, http::PublicKeyOf(made.ca_key));
  auto authority = Wanted("Godwit site " + made.site, made.site, std::move(public_key), now);
  authority.authority = true;
  GODWIT_TRY(made.ca_certificate, http::Certify(authority, "", made.ca_key));
  made.key = http::MakeKey();
  GODWIT_TRY(const std::string own_key, http::PublicKeyOf(made.key));
  GODWIT_TRY(made.certificate, CertifyNode(made, made.name, own_key, now));
  return made;
}

Result<std::string> CertifyNode(const Identity& by, const std::string& name,
                                const std::string& public_key, WallTime now) {
  GODWIT_TRY(CheckName(name));
  return http::Certify(Wanted(name, by.site, public_key, now), by.ca_certificate, by.ca_key);
}

}  // namespace godwit::sites
