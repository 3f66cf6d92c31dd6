#pragma once

// What lets one node into a site, as text that a person carries from one to the other
// (docs/formats/site.md).
//
// It has the fingerprint of the site's authority, by which the newcomer knows the site, and a
// secret, by which the site knows the newcomer. The registry has the secret's hash alone. Threads:
// values. Failure: kInvalid for text that is no token, or was mistyped; kUnsupported for a newer
// one. No error shows any of it.
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"

namespace godwit::sites {

struct JoinToken {
  std::string authority{};  // fingerprint, 64 hexadecimal digits
  std::string secret{};     // 16 bytes
  int64_t ends = 0;         // seconds since 1970; for errors, for the registry's lease decides

  static JoinToken Make(std::string authority, Entropy& entropy, WallTime ends);
  static Result<JoinToken> Parse(std::string_view text);

  std::string ToString() const;
  // What the registry knows it by.
  std::string Hash() const;
};

}  // namespace godwit::sites
