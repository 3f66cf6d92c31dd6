#pragma once

// The keys of a site in its coordinator: /godwit/SITE/KIND/NAME.
//
// Names are percent-encoded, so that none reaches into another's place. Threads: values. Failure:
// NameOf() gives nullopt for a key of another kind.
#include <optional>
#include <string>
#include <string_view>

namespace godwit::sites {

inline constexpr std::string_view kMembers = "members";
inline constexpr std::string_view kAlive = "alive";
inline constexpr std::string_view kTokens = "tokens";
inline constexpr std::string_view kFunctions = "functions";
inline constexpr std::string_view kInstances = "instances";

std::string PrefixOf(std::string_view site, std::string_view kind);
std::string KeyOf(std::string_view site, std::string_view kind, std::string_view name);
// The name in a key that begins with `prefix`, as PrefixOf() made it.
std::optional<std::string> NameOf(std::string_view prefix, std::string_view key);

}  // namespace godwit::sites
