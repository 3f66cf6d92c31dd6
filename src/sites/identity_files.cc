// DIR/site: reading and writing it.
#include <fcntl.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/try.h"
#include "http/certificate.h"
#include "sites/identity.h"
#include "sites/records.h"

namespace godwit::sites {
namespace {

constexpr int64_t kVersion = 1;
constexpr size_t kMostBytes = size_t{64} << 10;
constexpr std::string_view kToml = "/site.toml";

struct Part {
  std::string_view file;
  std::string Identity::* text;
};
constexpr std::array<Part, 4> kParts = {{{"/ca.crt", &Identity::ca_certificate},
                                         {"/ca.key", &Identity::ca_key},
                                         {"/node.crt", &Identity::certificate},
                                         {"/node.key", &Identity::key}}};

std::string ToToml(const Identity& identity) {
  std::ostringstream text;
  text << toml::table{{"version", kVersion},
                      {"site", identity.site},
                      {"name", identity.name},
                      {"address", identity.address},
                      {"coordinator", identity.coordinator}}
       << '\n';
  return text.str();
}

// A key beside a certificate of another node would only be found out by the others.
Result<> CheckTogether(const Identity& identity, const std::string& directory) {
  GODWIT_TRY(const auto own,
             http::Certificate::Parse(identity.certificate).Within("'{}/node.crt'", directory));
  GODWIT_TRY(http::Certificate::Parse(identity.ca_certificate).Within("'{}/ca.crt'", directory));
  if (own.name != identity.name) {
    return Fail(Code::kInvalid, "'{}/node.crt' is of '{}', and '{}/site.toml' of '{}'", directory,
                own.name, directory, identity.name);
  }
  GODWIT_TRY(http::TlsContext::Make(identity.Tls()).Within("'{}'", directory));
  return {};
}

}  // namespace

std::string SiteDirectory(const std::string& data) { return data + "/site"; }

bool HasSite(const std::string& data) {
  return ::access((SiteDirectory(data) + std::string(kToml)).c_str(), F_OK) == 0;
}

Result<Identity> ParseSiteToml(std::string_view text, const std::string& path) {
  Identity identity;
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Fail(Code::kInvalid, "'{}' is no TOML: {}", path, error.description());
  }
  if (table["version"].value_or<int64_t>(0) > kVersion) {
    return Fail(Code::kUnsupported, "'{}' was written by a newer Godwit (use that one)", path);
  }
  for (const auto& [key, member] :
       {std::pair<std::string_view, std::string*>("site", &identity.site),
        {"name", &identity.name},
        {"address", &identity.address},
        {"coordinator", &identity.coordinator}}) {
    *member = table[key].value_or<std::string>("");
    if (member->empty()) return Fail(Code::kInvalid, "'{}' has no '{}'", path, key);
  }
  if (!IsNodeName(identity.name))
    return Fail(Code::kInvalid, "'{}': '{}' is no node's name", path, identity.name);
  GODWIT_TRY(CheckAddress(identity.address).Within("'{}'", path));
  return identity;
}

Result<Identity> LoadIdentity(const std::string& data) {
  const std::string directory = SiteDirectory(data);
  const auto files = DiskFiles();
  const std::string toml = directory + std::string(kToml);
  GODWIT_TRY(const std::string text, files->Read(toml, kMostBytes));
  GODWIT_TRY(Identity identity, ParseSiteToml(text, toml));
  for (const Part& part : kParts) {
    GODWIT_TRY(identity.*part.text, files->Read(directory + std::string(part.file), kMostBytes));
  }
  GODWIT_TRY(identity.site_key, files->Read(directory + "/site.key", kMostBytes));
  if (identity.site_key.size() != 32)
    return Fail(Code::kInvalid, "'{}/site.key' has not 32 bytes", directory);
  GODWIT_TRY(CheckTogether(identity, directory));
  return identity;
}

Result<> StoreIdentity(const std::string& data, const Identity& identity) {
  const std::string directory = SiteDirectory(data);
  if (HasSite(data)) {
    return Fail(Code::kConflict,
                "'{}' belongs to a site already (leave it first: godwit site leave)", data);
  }
  const std::string beside = directory + ".new";
  std::error_code error;
  std::filesystem::remove_all(beside, error);
  std::filesystem::remove_all(directory, error);  // what an earlier site's coordinator left
  const auto files = DiskFiles();
  GODWIT_TRY(files->MakeDirectory(beside));
  for (const Part& part : kParts) {
    GODWIT_TRY(
        files->Write(beside + std::string(part.file), identity.*part.text, Durability::kDurable));
  }
  GODWIT_TRY(files->Write(beside + "/site.key", identity.site_key, Durability::kDurable));
  GODWIT_TRY(files->Write(beside + std::string(kToml), ToToml(identity), Durability::kDurable));
  if (::rename(beside.c_str(), directory.c_str()) != 0)
    return FailErrno(errno, "cannot keep '{}'", directory);
  const Fd parent(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return FailErrno(errno, "cannot sync '{}'", data);
  return {};
}

Result<> DropIdentity(const std::string& data) {
  const std::string directory = SiteDirectory(data);
  const std::string gone = directory + ".left";
  std::error_code error;
  std::filesystem::remove_all(gone, error);
  if (::rename(directory.c_str(), gone.c_str()) != 0)
    return FailErrno(errno, "cannot drop '{}'", directory);
  std::filesystem::remove_all(gone, error);
  return {};
}

}  // namespace godwit::sites
