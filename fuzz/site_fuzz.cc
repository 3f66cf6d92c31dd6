// Any bytes as what makes a node one of a site: a token, site.toml, both sides of joining. Refused,
// or what is read keeps to the rules and comes back as it was written.
#include <string>
#include <string_view>

#include "http/certificate.h"
#include "sites/identity.h"
#include "sites/join_token.h"
#include "sites/records.h"
#include "sites/site_wire.h"

namespace {

using namespace godwit;
using namespace godwit::sites;

void Hold(bool rule) {
  if (!rule) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto token = JoinToken::Parse(bytes)) {
    Hold(token->authority.size() == 64 && token->secret.size() == 16 && token->ends >= 0);
    Hold(JoinToken::Parse(token->ToString())->Hash() == token->Hash());
  }
  if (const auto identity = ParseSiteToml(bytes, "site.toml")) Hold(IsNodeName(identity->name));
  if (const auto request = ReadJoinRequest(bytes))
    Hold(ToJson(ReadJoinRequest(ToJson(*request)).value()) == ToJson(*request));
  if (const auto answer = ReadJoinAnswer(bytes)) Hold(answer->site_key.size() == 32);
  static_cast<void>(ErrorIn({.status = 500, .body = std::string(bytes)}));
  static_cast<void>(CheckAddress(bytes));
  static_cast<void>(http::Certificate::Parse(bytes));
  return 0;
}
