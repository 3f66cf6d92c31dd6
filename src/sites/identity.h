#pragma once

// Who this node is in its site: the folder DIR/site (docs/formats/site.md).
//
// A node belongs to a site iff the folder is there. It is made whole beside its place and then
// renamed, so there is never a part of it. All of it but site.toml is secret or depends on secrets:
// mode 0700. Every member has the authority's key, for every member may let others in
// (docs/adr/0015). Threads: values; the functions block: for start-up and the command line.
// Failure: kConflict if there is a site already; kNotFound without one; kInvalid, naming the file,
// for what does not belong together; kUnsupported for a newer format.
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "http/tls.h"

namespace godwit::sites {

struct Identity {
  std::string site{};         // its id, 16 hexadecimal digits
  std::string name{};         // of this node: IsNodeName()
  std::string address{};      // HOST:PORT of its site port, as the others reach it
  std::string coordinator{};  // its URL, or "sqlite"
  std::string ca_certificate{};
  std::string ca_key{};
  std::string certificate{};
  std::string key{};
  std::string site_key{};  // 32 bytes, shared by the site

  // For both ends of connections between members; a server that also lets newcomers speak asks for
  // a certificate without demanding it.
  http::TlsOptions Tls() const;
  std::string ca_fingerprint() const;
  std::string fingerprint() const;
};

inline constexpr std::string_view kLoneCoordinator = "sqlite";

std::string SiteDirectory(const std::string& data);
bool HasSite(const std::string& data);

// "node-b.example:9443", "10.0.0.2:9443", "[::1]:9443": kInvalid, with the form, for other text.
Result<> CheckAddress(std::string_view address);

// A new site, with this node as its first. kInvalid for a name, an address.
Result<Identity> MakeSite(std::string name, std::string address, std::string coordinator,
                          Entropy& entropy, WallTime now);
// The certificate of one more node of the site, for the public key that it has sent.
Result<std::string> CertifyNode(const Identity& by, const std::string& name,
                                const std::string& public_key, WallTime now);

// What is in site.toml; `path` is for the errors.
Result<Identity> ParseSiteToml(std::string_view text, const std::string& path);
Result<Identity> LoadIdentity(const std::string& data);
Result<> StoreIdentity(const std::string& data, const Identity& identity);
// The node is no member of anything any more.
Result<> DropIdentity(const std::string& data);

}  // namespace godwit::sites
