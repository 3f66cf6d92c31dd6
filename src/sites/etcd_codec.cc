#include "sites/etcd_codec.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::sites::etcd {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxText = 300;  // of what is shown to a person

std::string Number(int64_t value) { return std::to_string(value); }

std::unexpected<Error> NoAnswer(std::string_view why) {
  return Fail(Code::kCorrupt, "the answer is none of etcd's: {}", why);
}

std::string Printable(std::string_view text) {
  std::string shown(text.substr(0, kMaxText));
  std::ranges::replace_if(
      shown, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return shown;
}

// An object whose fields have their default value if they are not there.
class Message {
 public:
  static Result<Message> Parse(std::string_view text) {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    boost::system::error_code failed;
    json::value value = json::parse(text, failed, {}, options);
    if (failed) return NoAnswer("it is not JSON");
    if (!value.is_object()) return NoAnswer("it is no object");
    auto whole = std::make_shared<const json::value>(std::move(value));
    const json::object& object = whole->get_object();
    return Message(std::move(whole), object);
  }

  // Not below zero: no number that is read here is.
  Result<int64_t> Number(std::string_view key) const {
    const auto* value = object_->if_contains(key);
    if (value == nullptr) return 0;
    const auto* text = value->if_string();
    if (text == nullptr) return NoAnswer(fmt::format("'{}' is no number in a string", key));
    int64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [stopped, failed] = std::from_chars(text->data(), end, number);
    if (failed != std::errc() || stopped != end || number < 0)
      return NoAnswer(fmt::format("'{}' is no number", key));
    return number;
  }
  Result<std::string> Bytes(std::string_view key) const {
    GODWIT_TRY(const std::string text, Text(key));
    auto bytes = FromBase64(text);
    if (!bytes) return NoAnswer(fmt::format("'{}' is not base64", key));
    return *std::move(bytes);
  }
  Result<std::string> Text(std::string_view key) const {
    const auto* value = object_->if_contains(key);
    if (value == nullptr) return "";
    if (!value->is_string()) return NoAnswer(fmt::format("'{}' is no string", key));
    return std::string(value->get_string());
  }
  Result<bool> Flag(std::string_view key) const {
    const auto* value = object_->if_contains(key);
    if (value == nullptr) return false;
    if (!value->is_bool()) return NoAnswer(fmt::format("'{}' is neither true nor false", key));
    return value->get_bool();
  }
  Result<Message> Inner(std::string_view key) const {
    const auto* value = object_->if_contains(key);
    if (value == nullptr || !value->is_object())
      return NoAnswer(fmt::format("it has no '{}'", key));
    return Message(whole_, value->get_object());
  }
  // A number that is not in a string; `otherwise` if there is none below `limit`.
  int SmallNumber(std::string_view key, int otherwise, size_t limit) const {
    const auto* value = object_->if_contains(key);
    const auto* number = value != nullptr ? value->if_int64() : nullptr;
    if (number == nullptr || *number < 0 || std::cmp_greater_equal(*number, limit))
      return otherwise;
    return static_cast<int>(*number);
  }
  // Calls `each` for every object of a list.
  template <typename Each>
  Result<> ForEach(std::string_view key, Each each) const {
    const auto* value = object_->if_contains(key);
    if (value == nullptr) return {};
    if (!value->is_array()) return NoAnswer(fmt::format("'{}' is no list", key));
    for (const auto& item : value->get_array()) {
      if (!item.is_object()) return NoAnswer(fmt::format("'{}' has something else in it", key));
      GODWIT_TRY(each(Message(whole_, item.get_object())));
    }
    return {};
  }

 private:
  Message(std::shared_ptr<const json::value> whole, const json::object& object)
      : whole_(std::move(whole)), object_(&object) {}

  std::shared_ptr<const json::value> whole_;
  const json::object* object_;  // in it
};

// Every answer says which cluster it is of; so what answers is etcd, and no other server.
Result<Message> ParseAnswer(std::string_view body) {
  GODWIT_TRY(Message answer, Message::Parse(body));
  GODWIT_TRY(const Message header, answer.Inner("header"));
  GODWIT_TRY(header.Number("revision"));
  return answer;
}

Result<Entry> ReadEntry(const Message& message) {
  Entry entry;
  GODWIT_TRY(entry.key, message.Bytes("key"));
  GODWIT_TRY(entry.value, message.Bytes("value"));
  GODWIT_TRY(entry.revision, message.Number("mod_revision"));
  if (entry.key.empty() || entry.revision == 0) return NoAnswer("an entry has no key or revision");
  return entry;
}

// The `result` in one line of a stream.
Result<Message> ParseLine(std::string_view line) {
  GODWIT_TRY(const Message message, Message::Parse(line));
  if (const auto error = message.Inner("error")) {
    GODWIT_TRY(const std::string text, error->Text("message"));
    return Fail(Code::kUnavailable, "etcd ended it: {}", Printable(text));
  }
  GODWIT_TRY(Message result, message.Inner("result"));
  GODWIT_TRY(result.Inner("header"));
  return result;
}

Result<Grant> ReadLease(const Message& message) {
  Grant grant;
  GODWIT_TRY(grant.lease.number, message.Number("ID"));
  GODWIT_TRY(grant.seconds, message.Number("TTL"));
  if (grant.lease.number == 0) return NoAnswer("a lease has no number");
  if (grant.seconds > 9'000'000'000) return NoAnswer("a lease lasts for ever");  // as etcd has it
  return grant;
}

// The names that gRPC has for its codes, by their numbers.
constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

}  // namespace

std::string RangeRequest(std::string_view key, const std::optional<std::string>& end, int64_t limit,
                         int64_t revision) {
  json::object request = {{"key", ToBase64(key)}};
  if (end) request["range_end"] = ToBase64(*end);
  if (limit != 0) request["limit"] = Number(limit);
  if (revision != 0) request["revision"] = Number(revision);
  return json::serialize(request);
}

std::string TxnRequest(const std::vector<Compare>& compares, const std::vector<Change>& changes) {
  json::array compare;
  for (const auto& each : compares) {
    const std::string key = ToBase64(each.key);
    if (each.revision) {
      compare.push_back({{"key", key},
                         {"result", "EQUAL"},
                         {"target", "MOD"},
                         {"mod_revision", Number(*each.revision)}});
    }
    if (each.value) {
      compare.push_back({{"key", key},
                         {"result", "EQUAL"},
                         {"target", "VALUE"},
                         {"value", ToBase64(*each.value)}});
    }
  }
  json::array success;
  for (const auto& change : changes) {
    if (!change.value) {
      success.push_back({{"request_delete_range", {{"key", ToBase64(change.key)}}}});
      continue;
    }
    json::object put = {{"key", ToBase64(change.key)}, {"value", ToBase64(*change.value)}};
    if (change.lease) put["lease"] = Number(change.lease->number);
    success.push_back({{"request_put", std::move(put)}});
  }
  return json::serialize(
      json::object{{"compare", std::move(compare)}, {"success", std::move(success)}});
}

std::string GrantRequest(int64_t seconds) {
  return json::serialize(json::object{{"TTL", Number(seconds)}});
}

std::string LeaseRequest(LeaseId lease) {
  return json::serialize(json::object{{"ID", Number(lease.number)}});
}

std::string WatchRequest(std::string_view key, const std::optional<std::string>& end,
                         int64_t from) {
  json::object request = {
      {"key", ToBase64(key)}, {"start_revision", Number(from)}, {"fragment", true}};
  if (end) request["range_end"] = ToBase64(*end);
  return json::serialize(json::object{{"create_request", std::move(request)}});
}

std::string AuthRequest(std::string_view user, std::string_view password) {
  return json::serialize(json::object{{"name", user}, {"password", password}});
}

Result<Range> ReadRange(std::string_view body) {
  GODWIT_TRY(const Message answer, ParseAnswer(body));
  Range range;
  GODWIT_TRY(const Message header, answer.Inner("header"));
  GODWIT_TRY(range.revision, header.Number("revision"));
  GODWIT_TRY(range.more, answer.Flag("more"));
  GODWIT_TRY(answer.ForEach("kvs", [&](const Message& message) -> Result<> {
    GODWIT_TRY(Entry entry, ReadEntry(message));
    if (!range.entries.empty() && entry.key <= range.entries.back().key)
      return NoAnswer("its keys are not in order");
    range.entries.push_back(std::move(entry));
    return {};
  }));
  return range;
}

Result<bool> ReadTxn(std::string_view body) {
  GODWIT_TRY(const Message answer, ParseAnswer(body));
  return answer.Flag("succeeded");
}

Result<Grant> ReadGrant(std::string_view body) {
  GODWIT_TRY(const Message answer, ParseAnswer(body));
  return ReadLease(answer);
}

Result<Grant> ReadKeepAlive(std::string_view body) {
  GODWIT_TRY(const Message result, ParseLine(body));
  return ReadLease(result);
}

Result<std::string> ReadToken(std::string_view body) {
  GODWIT_TRY(const Message answer, ParseAnswer(body));
  GODWIT_TRY(std::string token, answer.Text("token"));
  const bool good = !token.empty() && token.size() <= 4096 &&
                    std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
  if (!good) return NoAnswer("its token is none");
  return token;
}

Result<Watched> ReadWatched(std::string_view line) {
  GODWIT_TRY(const Message result, ParseLine(line));
  Watched watched;
  GODWIT_TRY(watched.fragment, result.Flag("fragment"));
  GODWIT_TRY(watched.cancelled, result.Flag("canceled"));
  GODWIT_TRY(watched.compacted, result.Number("compact_revision"));
  GODWIT_TRY(const std::string reason, result.Text("cancel_reason"));
  watched.reason = Printable(reason);
  GODWIT_TRY(result.ForEach("events", [&](const Message& message) -> Result<> {
    GODWIT_TRY(const std::string type, message.Text("type"));
    if (!type.empty() && type != "PUT" && type != "DELETE")
      return NoAnswer("an event is of no type");
    GODWIT_TRY(const Message kv, message.Inner("kv"));
    GODWIT_TRY(Entry entry, ReadEntry(kv));
    if (!watched.events.empty() && entry.revision < watched.events.back().revision)
      return NoAnswer("its events are not in order");
    Event& event = watched.events.emplace_back(Event{std::move(entry.key), {}, entry.revision});
    if (type != "DELETE") event.value = std::move(entry.value);
    return {};
  }));
  return watched;
}

Refusal ReadRefusal(int status, std::string_view body) {
  Refusal refusal{2, fmt::format("status {}", status)};
  const auto message = Message::Parse(body);
  if (!message) return refusal;
  const auto text = message->Text("error");
  if (text && !text->empty()) refusal.text = Printable(*text);
  refusal.code = message->SmallNumber("code", 2, kCodeNames.size());
  return refusal;
}

Refusal ReadReason(std::string_view reason) {
  constexpr std::string_view kCode = "code = ";
  constexpr std::string_view kText = " desc = ";
  Refusal refusal{2, Printable(reason)};
  const size_t code = reason.find(kCode);
  const size_t text = reason.find(kText);
  if (code != reason.npos && text != reason.npos && code < text) {
    const auto name = reason.substr(code + kCode.size(), text - code - kCode.size());
    const auto* found = std::ranges::find(kCodeNames, name);
    if (found != kCodeNames.end()) refusal.code = static_cast<int>(found - kCodeNames.begin());
    refusal.text = Printable(reason.substr(text + kText.size()));
  } else if (reason.contains("no leader")) {
    refusal.code = 14;
  }
  return refusal;
}

}  // namespace godwit::sites::etcd
