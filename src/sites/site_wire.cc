#include "sites/site_wire.h"

#include <boost/json.hpp>
#include <initializer_list>
#include <utility>

#include "base/bytes.h"
#include "base/code_name.h"
#include "base/try.h"

namespace godwit::sites {
namespace {

namespace json = boost::json;

using Fields = std::initializer_list<std::pair<std::string_view, std::string*>>;

Result<json::object> ReadObject(std::string_view body, std::string_view what) {
  json::parse_options options;
  options.max_depth = 4;
  boost::system::error_code failed;
  json::value value = json::parse(body, failed, {}, options);
  if (failed || !value.is_object()) return Fail(Code::kInvalid, "{} is no JSON object", what);
  return std::move(value.get_object());
}

Result<> ReadTexts(const json::object& object, std::string_view what, Fields fields) {
  for (const auto& [name, into] : fields) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string())
      return Fail(Code::kInvalid, "{} has no text '{}'", what, name);
    *into = value->get_string();
  }
  return {};
}

}  // namespace

std::string ToJson(const JoinRequest& request) {
  return json::serialize(json::object{{"token", request.token},
                                      {"name", request.name},
                                      {"address", request.address},
                                      {"public_key", request.public_key},
                                      {"godwit", request.version}});
}

std::string ToJson(const JoinAnswer& answer) {
  return json::serialize(json::object{{"site", answer.site},
                                      {"coordinator", answer.coordinator},
                                      {"ca_certificate", answer.ca_certificate},
                                      {"ca_key", answer.ca_key},
                                      {"certificate", answer.certificate},
                                      {"site_key", ToBase64(answer.site_key)}});
}

Result<JoinRequest> ReadJoinRequest(std::string_view body) {
  constexpr std::string_view kWhat = "the request to join";
  GODWIT_TRY(const json::object object, ReadObject(body, kWhat));
  JoinRequest request;
  GODWIT_TRY(ReadTexts(object, kWhat,
                       {{"token", &request.token},
                        {"name", &request.name},
                        {"address", &request.address},
                        {"public_key", &request.public_key},
                        {"godwit", &request.version}}));
  return request;
}

Result<JoinAnswer> ReadJoinAnswer(std::string_view body) {
  constexpr std::string_view kWhat = "the site's answer";
  GODWIT_TRY(const json::object object, ReadObject(body, kWhat));
  JoinAnswer answer;
  std::string site_key;
  GODWIT_TRY(ReadTexts(object, kWhat,
                       {{"site", &answer.site},
                        {"coordinator", &answer.coordinator},
                        {"ca_certificate", &answer.ca_certificate},
                        {"ca_key", &answer.ca_key},
                        {"certificate", &answer.certificate},
                        {"site_key", &site_key}}));
  answer.site_key = FromBase64(site_key).value_or("");
  if (answer.site_key.size() != 32) return Fail(Code::kInvalid, "{} has no whole key", kWhat);
  return answer;
}

http::Response Refusal(const Error& why) {
  return http::Json(
      HttpStatus(why.code()),
      json::serialize(json::object{
          {"error", json::object{{"code", NameOf(why.code())}, {"message", why.ToString()}}}}));
}

Error ErrorIn(const http::Response& answer) {
  const auto object = ReadObject(answer.body, "the answer");
  const auto* error = object ? object->if_contains("error") : nullptr;
  if (error != nullptr && error->is_object()) {
    std::string code;
    std::string message;
    if (ReadTexts(error->get_object(), "", {{"code", &code}, {"message", &message}}))
      return {CodeNamed(code).value_or(Code::kInternal), message};
  }
  return {Code::kInvalid, fmt::format("it answered with status {}", answer.status)};
}

}  // namespace godwit::sites
