#include "sites/registry_keys.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace godwit::sites {

std::string PrefixOf(std::string_view site, std::string_view kind) {
  return fmt::format("/godwit/{}/{}/", PercentEncode(site), kind);
}

std::string KeyOf(std::string_view site, std::string_view kind, std::string_view name) {
  return PrefixOf(site, kind) + PercentEncode(name);
}

std::optional<std::string> NameOf(std::string_view prefix, std::string_view key) {
  if (!key.starts_with(prefix)) return std::nullopt;
  return PercentDecode(key.substr(prefix.size()));
}

}  // namespace godwit::sites
