#include "cli/json_text.h"

#include <boost/json.hpp>

namespace godwit::cli {

namespace json = boost::json;

std::optional<json::value> ParseJson(std::string_view text) {
  constexpr size_t kMaxDepth = 5000;  // values are taken apart recursively
  json::error_code error;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  auto value = json::parse(text, error, {}, options);
  if (error) return std::nullopt;
  return value;
}

const json::object* Member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::string Str(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

uint64_t Num(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (const auto* number = value->if_uint64()) return *number;
  if (const auto* number = value->if_int64())
    return *number < 0 ? 0 : static_cast<uint64_t>(*number);
  return 0;
}

bool Flagged(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* flag = value == nullptr ? nullptr : value->if_bool();
  return flag != nullptr && *flag;
}

std::string WithRaw(const json::object& object, std::string_view key, std::string_view raw) {
  std::string text = json::serialize(object);
  text.pop_back();
  if (!object.empty()) text += ',';
  text += json::serialize(json::value(json::string(key))) + ':';
  text += ParseJson(raw) ? std::string(raw) : json::serialize(json::value(json::string(raw)));
  return text + '}';
}

}  // namespace godwit::cli
