#pragma once

// Bytes as text: hexadecimal, base64 (RFC 4648 section 4), SHA-256 and percent-encoding.
//
// Threads: any. Failure: decoders return nullopt for text that is not what they decode, never a
// part of it.
#include <optional>
#include <string>
#include <string_view>

namespace godwit {

std::string ToHex(std::string_view bytes);
std::optional<std::string> FromHex(std::string_view text);
std::string ToBase64(std::string_view bytes);
std::optional<std::string> FromBase64(std::string_view text);
// 32 raw bytes (FIPS 180-4).
std::string Sha256(std::string_view bytes);
// Decodes %XX (RFC 3986 section 2.1); '+' stays '+'.
std::optional<std::string> PercentDecode(std::string_view text);
// Encodes all but unreserved characters.
std::string PercentEncode(std::string_view text);

}  // namespace godwit
