#include "sites/records.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/try.h"
#include "sites/coordinator.h"

namespace godwit::sites {
namespace {

namespace json = boost::json;

constexpr int64_t kVersion = 1;
constexpr size_t kMaxDepth = 8;

// The fields of one record; all must be there.
class Record {
 public:
  static Result<Record> Parse(std::string_view key, std::string_view text) {
    if (text.size() > kMaxValue)
      return Fail(Code::kTooLarge, "the value of '{}' has {} bytes, of at most {}", key,
                  text.size(), kMaxValue);
    json::parse_options options;
    options.max_depth = kMaxDepth;
    boost::system::error_code failed;
    json::value value = json::parse(text, failed, {}, options);
    Record record(std::string(key), std::move(value));
    if (failed || !record.value_.is_object()) return record.No("is no JSON object");
    GODWIT_TRY(const int64_t version, record.Number("version", 1));
    if (version > kVersion) {
      return Fail(Code::kUnsupported,
                  "cannot read '{}' of the site's registry: it has version {}, this program knows "
                  "{} (upgrade this node)",
                  key, version, kVersion);
    }
    return record;
  }

  std::unexpected<Error> No(std::string_view why) const {
    return Fail(Code::kCorrupt, "'{}' of the site's registry {}", key_, why);
  }
  Result<std::string> Text(std::string_view name) const {
    const auto* value = value_.get_object().if_contains(name);
    if (value == nullptr || !value->is_string()) return No(fmt::format("has no text '{}'", name));
    return std::string(value->get_string());
  }
  Result<int64_t> Number(std::string_view name, int64_t least) const {
    const auto* value = value_.get_object().if_contains(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < least)
      return No(fmt::format("has no number '{}'", name));
    return value->get_int64();
  }
  Result<std::vector<std::string>> Texts(std::string_view name) const {
    const auto* value = value_.get_object().if_contains(name);
    if (value == nullptr || !value->is_array()) return No(fmt::format("has no list '{}'", name));
    std::vector<std::string> texts;
    for (const auto& each : value->get_array()) {
      if (!each.is_string()) return No(fmt::format("has no texts in '{}'", name));
      texts.emplace_back(each.get_string());
    }
    return texts;
  }
  // What the key ends with, too.
  Result<std::string> Name(std::string_view name) const {
    GODWIT_TRY(std::string text, Text(name));
    if (text.empty() || !key_.ends_with('/' + PercentEncode(text)))
      return No(fmt::format("has another's '{}'", name));
    return text;
  }
  // A field that is the name of a node, or `none` if that may be.
  Result<std::string> Node(std::string_view name, bool may_be_none = false) const {
    GODWIT_TRY(std::string text, Text(name));
    if (IsNodeName(text) || (may_be_none && text.empty())) return text;
    return No(fmt::format("has no node's name in '{}'", name));
  }

 private:
  Record(std::string key, json::value value) : key_(std::move(key)), value_(std::move(value)) {}

  std::string key_;
  json::value value_;
};

}  // namespace

bool IsNodeName(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string ToJson(const Member& member) {
  return json::serialize(json::object{{"version", kVersion},
                                      {"name", member.name},
                                      {"address", member.address},
                                      {"fingerprint", member.fingerprint},
                                      {"godwit", member.version},
                                      {"joined", member.joined.since_epoch.count()}});
}

std::string ToJson(const Token& token) {
  return json::serialize(json::object{
      {"version", kVersion}, {"hash", token.hash}, {"taker", token.taker}, {"lease", token.lease}});
}

std::string ToJson(const Living& living) {
  return json::serialize(
      json::object{{"version", kVersion}, {"name", living.name}, {"holder", living.holder}});
}

std::string ToJson(const SharedFunction& function) {
  return json::serialize(json::object{{"version", kVersion},
                                      {"name", function.name},
                                      {"revision", function.revision},
                                      {"json", function.json}});
}

std::string ToJson(const InstanceRecord& instance) {
  return json::serialize(
      json::object{{"version", kVersion},
                   {"id", instance.id},
                   {"owner", instance.owner},
                   {"epoch", instance.epoch},
                   {"function", instance.function},
                   {"revision", instance.revision},
                   {"call", instance.call},
                   {"home", instance.home},
                   {"sequence", instance.sequence},
                   {"replicas", json::array(instance.replicas.begin(), instance.replicas.end())}});
}

Result<Member> ReadMember(std::string_view key, std::string_view json) {
  GODWIT_TRY(const Record record, Record::Parse(key, json));
  Member member;
  GODWIT_TRY(member.name, record.Name("name"));
  GODWIT_TRY(member.address, record.Text("address"));
  GODWIT_TRY(member.fingerprint, record.Text("fingerprint"));
  GODWIT_TRY(member.version, record.Text("godwit"));
  GODWIT_TRY(const int64_t joined, record.Number("joined", 0));
  member.joined = WallTime{Nanos(joined)};
  return member;
}

Result<Token> ReadToken(std::string_view key, std::string_view json) {
  GODWIT_TRY(const Record record, Record::Parse(key, json));
  Token token;
  GODWIT_TRY(token.hash, record.Name("hash"));
  GODWIT_TRY(token.taker, record.Text("taker"));
  GODWIT_TRY(token.lease, record.Number("lease", 1));
  return token;
}

Result<Living> ReadLiving(std::string_view key, std::string_view json) {
  GODWIT_TRY(const Record record, Record::Parse(key, json));
  Living living;
  GODWIT_TRY(living.name, record.Name("name"));
  GODWIT_TRY(living.holder, record.Text("holder"));
  return living;
}

Result<SharedFunction> ReadFunction(std::string_view key, std::string_view json) {
  GODWIT_TRY(const Record record, Record::Parse(key, json));
  SharedFunction function;
  GODWIT_TRY(function.name, record.Name("name"));
  GODWIT_TRY(function.revision, record.Text("revision"));
  GODWIT_TRY(function.json, record.Text("json"));
  return function;
}

Result<InstanceRecord> ReadInstance(std::string_view key, std::string_view json) {
  GODWIT_TRY(const Record record, Record::Parse(key, json));
  InstanceRecord instance;
  GODWIT_TRY(instance.id, record.Name("id"));
  GODWIT_TRY(instance.owner, record.Node("owner"));
  GODWIT_TRY(instance.epoch, record.Number("epoch", 1));
  GODWIT_TRY(instance.function, record.Text("function"));
  GODWIT_TRY(instance.revision, record.Text("revision"));
  GODWIT_TRY(instance.call, record.Text("call"));
  GODWIT_TRY(instance.home, record.Node("home", true));
  GODWIT_TRY(instance.sequence, record.Number("sequence", 0));
  GODWIT_TRY(instance.replicas, record.Texts("replicas"));
  for (const auto& replica : instance.replicas) {
    if (!IsNodeName(replica)) return record.No("has no nodes' names in 'replicas'");
  }
  return instance;
}

}  // namespace godwit::sites
