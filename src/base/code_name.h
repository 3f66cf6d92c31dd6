#pragma once

// The name of an error code on the wire: "not_found" for Code::kNotFound.
//
// Godwit's own API sends it in {"error":{"code":…}} and the client reads it back, so that an error
// keeps its exit code over HTTP. Derived from the one table of codes. Threads: any. Failure:
// CodeNamed() gives nullopt for any other text.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit {

// "kNotFound" as "not_found".
constexpr std::string WireName(std::string_view constant) {
  std::string name;
  for (const char c : constant.substr(1)) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !name.empty()) name += '_';
    name += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return name;
}

inline std::string NameOf(Code code) {
  switch (code) {
#define X(name, text, http, exit) \
  case Code::name:                \
    return WireName(#name);
    GODWIT_CODES(X)
#undef X
  }
  return "internal";
}

inline std::optional<Code> CodeNamed(std::string_view wire) {
#define X(name, text, http, exit) \
  if (wire == WireName(#name)) return Code::name;
  GODWIT_CODES(X)
#undef X
  return std::nullopt;
}

}  // namespace godwit
