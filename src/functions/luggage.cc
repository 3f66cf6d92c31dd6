#include "functions/luggage.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::functions {

namespace json = boost::json;

namespace {

constexpr int kVersion = 1;

Error NotLuggage(std::string_view why) {
  return {Code::kCorrupt, fmt::format("what came with the image is not understood: {}", why)};
}

template <typename Number>
void Read(const json::object& object, std::string_view key, Number& value) {
  const json::value* found = object.if_contains(key);
  if (found == nullptr) return;
  boost::system::error_code wrong;
  const auto number = found->to_number<Number>(wrong);
  if (!wrong) value = number;
}

// Any bytes, as text.
std::string Bytes(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  if (found == nullptr || !found->is_string()) return "";
  return FromBase64(std::string_view(found->get_string())).value_or("");
}

}  // namespace

std::string LuggageToJson(const Luggage& luggage) {
  json::array callbacks;
  for (const KeptCallback& kept : luggage.callbacks) {
    callbacks.push_back(json::object{{"number", kept.number},
                                     {"key", ToBase64(kept.callback.key)},
                                     {"payload", ToBase64(kept.callback.payload)},
                                     {"accepted_ns", kept.accepted.since_epoch.count()}});
  }
  return json::serialize(json::object{{"version", kVersion},
                                      {"facts", FactsToJson(luggage.facts)},
                                      {"age_ns", luggage.age.count()},
                                      {"callbacks", std::move(callbacks)},
                                      {"ran", luggage.ran}});
}

Result<Luggage> LuggageFromJson(std::string_view text) {
  boost::system::error_code wrong;
  const json::value value = json::parse(text, wrong);
  if (wrong || !value.is_object()) return std::unexpected(NotLuggage("it is no JSON object"));
  const json::object& object = value.get_object();
  int version = 0;
  Read(object, "version", version);
  if (version != kVersion) {
    return Fail(Code::kUnsupported, "it came in version {}, this program knows {} (upgrade it)",
                version, kVersion);
  }
  const json::value* facts = object.if_contains("facts");
  if (facts == nullptr || !facts->is_string())
    return std::unexpected(NotLuggage("it has no facts"));
  Luggage luggage;
  GODWIT_TRY(luggage.facts, FactsFromJson(std::string_view(facts->get_string())));
  int64_t age = 0;
  Read(object, "age_ns", age);
  if (age < 0) return std::unexpected(NotLuggage("it is of the future"));
  luggage.age = Nanos(age);
  if (const json::value* ran = object.if_contains("ran"); ran != nullptr && ran->is_bool())
    luggage.ran = ran->get_bool();
  const json::value* callbacks = object.if_contains("callbacks");
  if (callbacks == nullptr || !callbacks->is_array()) return luggage;
  if (!luggage.facts.call && !callbacks->get_array().empty())
    return std::unexpected(NotLuggage("it has callbacks without a call"));
  for (const json::value& one : callbacks->get_array()) {
    if (!one.is_object()) return std::unexpected(NotLuggage("a callback is none"));
    KeptCallback kept;
    int64_t accepted = 0;
    Read(one.get_object(), "number", kept.number);
    Read(one.get_object(), "accepted_ns", accepted);
    kept.accepted = WallTime{Nanos(accepted)};
    kept.callback = {luggage.facts.call->id, Bytes(one.get_object(), "payload"),
                     Bytes(one.get_object(), "key")};
    luggage.callbacks.push_back(std::move(kept));
  }
  return luggage;
}

}  // namespace godwit::functions
