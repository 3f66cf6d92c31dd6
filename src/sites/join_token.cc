#include "sites/join_token.h"

#include <chrono>

#include "base/bytes.h"

namespace godwit::sites {
namespace {

constexpr std::string_view kMark = "godwit1-";
constexpr size_t kAuthority = 32;
constexpr size_t kSecret = 16;
constexpr size_t kEnds = 5;  // enough for 30,000 years
constexpr size_t kCheck = 4;

std::string BigEndian(int64_t number) {
  std::string bytes(kEnds, '\0');
  for (size_t i = kEnds; i-- > 0; number >>= 8) bytes[i] = static_cast<char>(number & 0xff);
  return bytes;
}

std::string CheckOf(std::string_view bytes) {
  return Sha256(std::string(kMark) + std::string(bytes)).substr(0, kCheck);
}

}  // namespace

JoinToken JoinToken::Make(std::string authority, Entropy& entropy, WallTime ends) {
  return {std::move(authority), entropy.Bytes(kSecret),
          std::chrono::ceil<std::chrono::seconds>(ends.since_epoch).count()};
}

std::string JoinToken::ToString() const {
  const std::string bytes = FromHex(authority).value_or("") + secret + BigEndian(ends);
  return std::string(kMark) + ToHex(bytes + CheckOf(bytes));
}

Result<JoinToken> JoinToken::Parse(std::string_view text) {
  if (text.starts_with("godwit") && !text.starts_with(kMark) && text.size() > 7 && text[7] == '-') {
    return Fail(Code::kUnsupported, "the token is of a newer Godwit (use that one)");
  }
  const auto bytes =
      text.starts_with(kMark) ? FromHex(text.substr(kMark.size())) : std::optional<std::string>();
  constexpr size_t kAll = kAuthority + kSecret + kEnds;
  if (!bytes || bytes->size() != kAll + kCheck ||
      CheckOf(std::string_view(*bytes).substr(0, kAll)) != bytes->substr(kAll)) {
    return Fail(Code::kInvalid,
                "the token is not whole (copy all that `godwit site token` has printed)");
  }
  JoinToken token;
  token.authority = ToHex(std::string_view(*bytes).substr(0, kAuthority));
  token.secret = bytes->substr(kAuthority, kSecret);
  for (size_t i = 0; i < kEnds; ++i)
    token.ends = token.ends << 8 | static_cast<unsigned char>((*bytes)[kAuthority + kSecret + i]);
  return token;
}

std::string JoinToken::Hash() const {
  return ToHex(Sha256("godwit site token" + secret + BigEndian(ends)));
}

}  // namespace godwit::sites
