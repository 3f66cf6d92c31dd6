#pragma once

// The first key behind all that begin with a prefix.
//
// Threads: any. Failure: nullopt where there is none: for "" and for bytes of 0xff alone.
#include <optional>
#include <string>

namespace godwit::sites {

inline std::optional<std::string> EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  ++prefix.back();
  return prefix;
}

}  // namespace godwit::sites
