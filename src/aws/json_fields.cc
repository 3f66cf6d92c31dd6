#include "aws/json_fields.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "functions/json_check.h"

namespace godwit::aws {
namespace {

namespace json = boost::json;

std::unexpected<LambdaError> WrongKind(std::string_view name, std::string_view kind) {
  return Refuse(LambdaCode::kSerialization, "cannot read '{}': it is not {}", name, kind);
}

}  // namespace

LambdaResult<Fields> Fields::Parse(std::string_view body) {
  json::parse_options options;
  options.max_depth = functions::kMaxJsonDepth;
  boost::system::error_code failed;
  auto root = std::make_shared<json::value>(json::object());
  if (!body.empty()) *root = json::parse({body.data(), body.size()}, failed, {}, options);
  if (failed)
    return Refuse(LambdaCode::kSerialization, "cannot read the request body: {}", failed.message());
  if (!root->is_object()) {
    return Refuse(LambdaCode::kSerialization,
                  "cannot read the request body: it is not a JSON object");
  }
  const json::object& object = root->get_object();
  return Fields(std::move(root), object);
}

const json::value* Fields::Find(std::string_view name) const {
  const json::value* found = object_->if_contains({name.data(), name.size()});
  return found == nullptr || found->is_null() ? nullptr : found;
}

LambdaResult<std::optional<std::string>> Fields::Text(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) return WrongKind(name, "a string");
  return std::string(found->get_string());
}

LambdaResult<std::optional<int64_t>> Fields::Number(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  boost::system::error_code failed;
  const auto number = found->to_number<int64_t>(failed);
  if (failed) return WrongKind(name, "an integer");
  return number;
}

LambdaResult<std::optional<bool>> Fields::Flag(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_bool()) return WrongKind(name, "true or false");
  return found->get_bool();
}

LambdaResult<std::optional<std::map<std::string, std::string>>> Fields::TextMap(
    std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_object()) return WrongKind(name, "an object");
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : found->get_object()) {
    if (!value.is_string()) return WrongKind(name, "an object of strings");
    map.emplace(std::string_view(key.data(), key.size()), std::string(value.get_string()));
  }
  return map;
}

LambdaResult<std::optional<Fields>> Fields::Object(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_object()) return WrongKind(name, "an object");
  return Fields(root_, found->get_object());
}

LambdaResult<std::optional<std::vector<std::string>>> Fields::Texts(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_array()) return WrongKind(name, "a list");
  std::vector<std::string> texts;
  for (const json::value& value : found->get_array()) {
    if (!value.is_string()) return WrongKind(name, "a list of strings");
    texts.emplace_back(value.get_string());
  }
  return texts;
}

bool Fields::Means(std::string_view name) const {
  const json::value* found = Find(name);
  if (found == nullptr) return false;
  if (found->is_bool()) return found->get_bool();
  if (found->is_string()) return !found->get_string().empty();
  if (found->is_array()) return !found->get_array().empty();
  if (found->is_object()) return !found->get_object().empty();
  return true;
}

}  // namespace godwit::aws
