#include "base/ids.h"

#include <algorithm>

#include "base/bytes.h"

namespace godwit {
namespace {

bool IsLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

InstanceId InstanceId::New(Entropy& entropy) { return {"i-" + ToHex(entropy.Bytes(5))}; }

std::optional<InstanceId> InstanceId::Parse(std::string_view text) {
  if (text.size() != 12 || !text.starts_with("i-")) return std::nullopt;
  if (!std::ranges::all_of(text.substr(2), IsLowerHex)) return std::nullopt;
  return InstanceId{std::string(text)};
}

RequestId RequestId::New(Entropy& entropy) {
  std::string bytes = entropy.Bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string text = ToHex(bytes);
  for (const size_t dash : {8uz, 13uz, 18uz, 23uz}) text.insert(dash, 1, '-');
  return {text};
}

std::optional<RequestId> RequestId::Parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !IsLowerHex(text[i])) return std::nullopt;
  }
  return RequestId{std::string(text)};
}

}  // namespace godwit
