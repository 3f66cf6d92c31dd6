#pragma once

// The names of things: instances, requests.
//
// Strong types, so that an instance's name is never taken for a request's. Threads: values.
// Failure: Parse() returns nullopt for text that is no such name, which makes it safe to use in a
// path.
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/entropy.h"

namespace godwit {

// "i-" and ten lower-case hexadecimal digits, such as i-3f9a0c51b2: short enough to type, wide
// enough never to meet.
struct InstanceId {
  std::string text;
  static InstanceId New(Entropy& entropy);
  static std::optional<InstanceId> Parse(std::string_view text);
  auto operator<=>(const InstanceId&) const = default;
};

// A random UUID (RFC 9562 version 4), as Lambda's request ids are.
struct RequestId {
  std::string text;
  static RequestId New(Entropy& entropy);
  static std::optional<RequestId> Parse(std::string_view text);
  auto operator<=>(const RequestId&) const = default;
};

}  // namespace godwit

template <>
struct std::hash<godwit::InstanceId> {
  size_t operator()(const godwit::InstanceId& id) const noexcept {
    return std::hash<std::string>()(id.text);
  }
};
template <>
struct std::hash<godwit::RequestId> {
  size_t operator()(const godwit::RequestId& id) const noexcept {
    return std::hash<std::string>()(id.text);
  }
};
