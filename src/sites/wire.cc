#include "sites/wire.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/try.h"
#include "checkpoint/page_runs.h"
#include "functions/codec.h"

namespace godwit::sites {

namespace json = boost::json;
using checkpoint::kPage;
using checkpoint::kSumBytes;

namespace {

constexpr int kVersion = 1;

Result<json::object> ParseBody(std::string_view body, std::string_view what) {
  boost::system::error_code wrong;
  json::value value = json::parse(body, wrong);
  if (wrong || !value.is_object()) return Fail(Code::kCorrupt, "{} is no JSON object", what);
  const json::value* version = value.get_object().if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != kVersion) {
    return Fail(Code::kUnsupported,
                "{} is of another version, this program knows {} (upgrade the older node)", what,
                kVersion);
  }
  return std::move(value.get_object());
}

std::string Text(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

int64_t Number(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  if (found == nullptr) return 0;
  boost::system::error_code wrong;
  const auto number = found->to_number<int64_t>(wrong);
  return wrong ? 0 : number;
}

void PutU32(std::string& to, uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>(number >> shift);
}

// Takes a little-endian number off the front.
std::optional<uint32_t> TakeU32(std::string_view& from) {
  if (from.size() < 4) return std::nullopt;
  uint32_t number = 0;
  for (int i = 0; i < 4; ++i)
    number |= uint32_t{static_cast<unsigned char>(from[static_cast<size_t>(i)])} << (8 * i);
  from.remove_prefix(4);
  return number;
}

}  // namespace

Result<std::string> BodyOf(const std::string& node, Result<http::Response> answer) {
  if (!answer) return std::unexpected(std::move(answer).error());
  if (answer->status == 200) return std::move(answer->body);
  Error why = ErrorIn(*answer);
  why.Within(fmt::format("'{}' says", node));
  return std::unexpected(std::move(why));
}

std::string OfferToBody(const Offer& offer) {
  const std::string head =
      json::serialize(json::object{{"version", kVersion},
                                   {"kind", offer.kind == Offer::Kind::kMove ? "move" : "replica"},
                                   {"instance", offer.arrival.instance.text},
                                   {"function", functions::FunctionToJson(offer.arrival.function)},
                                   {"most_bytes", offer.arrival.most_bytes},
                                   {"epoch", offer.epoch},
                                   {"passport", offer.passport}});
  std::string body;
  PutU32(body, static_cast<uint32_t>(head.size()));
  return body + head + offer.arrival.zip;
}

Result<Offer> OfferFromBody(std::string_view body) {
  const auto bytes = TakeU32(body);
  if (!bytes || *bytes > body.size()) return Fail(Code::kCorrupt, "the offer ends early");
  GODWIT_TRY(const json::object object, ParseBody(body.substr(0, *bytes), "the offer"));
  Offer offer;
  offer.arrival.zip = body.substr(*bytes);
  const std::string kind = Text(object, "kind");
  if (kind != "move" && kind != "replica")
    return Fail(Code::kCorrupt, "the offer is of the kind '{}'", kind);
  offer.kind = kind == "move" ? Offer::Kind::kMove : Offer::Kind::kReplica;
  const auto id = InstanceId::Parse(Text(object, "instance"));
  if (!id) return Fail(Code::kCorrupt, "the offer names no instance");
  offer.arrival.instance = *id;
  GODWIT_TRY(offer.arrival.function, functions::FunctionFromJson(Text(object, "function")));
  const int64_t most = Number(object, "most_bytes");
  offer.epoch = Number(object, "epoch");
  if (most < 0 || offer.epoch < 1) return Fail(Code::kCorrupt, "the offer has impossible numbers");
  offer.arrival.most_bytes = static_cast<uint64_t>(most);
  offer.passport = Text(object, "passport");
  return offer;
}

std::string PagesToBody(std::string_view sums, std::string_view pages, storage::Packing packing,
                        storage::Packer& packer) {
  std::string body;
  const auto count = static_cast<uint32_t>(pages.size() / kPage);
  std::string packed(pages.size(), '\0');
  const size_t bytes = packing == storage::Packing::kNone ? 0 : packer.Pack(packing, pages, packed);
  body.reserve(8 + sums.size() + (bytes != 0 ? bytes : pages.size()));
  PutU32(body, count);
  PutU32(body, bytes != 0 ? 1 : 0);
  body += sums;
  body += bytes != 0 ? std::string_view(packed).substr(0, bytes) : pages;
  return body;
}

Result<PagesBody> PagesFromBody(std::string_view body, storage::Packer& packer) {
  const auto count = TakeU32(body);
  const auto packed = TakeU32(body);
  if (!count || !packed || *packed > 1 || *count > kPiece / kPage ||
      body.size() < *count * kSumBytes)
    return Fail(Code::kCorrupt, "the pages that came make no sense");
  PagesBody pages;
  pages.sums = body.substr(0, *count * kSumBytes);
  body.remove_prefix(*count * kSumBytes);
  if (*packed == 0) {
    pages.pages = body;
  } else {
    pages.pages.resize(*count * kPage);
    GODWIT_TRY(packer.Unpack(body, pages.pages).Within("the pages that came"));
  }
  if (pages.pages.size() != *count * kPage)
    return Fail(Code::kCorrupt, "{} bytes came for {} pages", pages.pages.size(), *count);
  return pages;
}

std::string ResultToBody(const functions::ForeignResult& result, int64_t epoch, bool lost) {
  return json::serialize(json::object{{"version", kVersion},
                                      {"call", result.outcome.id.text},
                                      {"instance", result.instance.text},
                                      {"epoch", epoch},
                                      {"lost", lost},
                                      {"attempt", result.attempt},
                                      {"payload", ToBase64(result.outcome.payload)},
                                      {"function_error", result.outcome.function_error}});
}

Result<ResultBody> ResultFromBody(std::string_view body) {
  GODWIT_TRY(const json::object object, ParseBody(body, "the result"));
  ResultBody result;
  const auto call = RequestId::Parse(Text(object, "call"));
  const auto instance = InstanceId::Parse(Text(object, "instance"));
  const auto payload = FromBase64(Text(object, "payload"));
  if (!call || !instance || !payload) return Fail(Code::kCorrupt, "the result is of no call");
  result.result.outcome.id = *call;
  result.result.instance = *instance;
  result.result.outcome.payload = *payload;
  result.result.outcome.function_error = Text(object, "function_error");
  result.result.attempt = static_cast<int>(Number(object, "attempt"));
  result.epoch = Number(object, "epoch");
  const json::value* lost = object.if_contains("lost");
  result.lost = lost != nullptr && lost->is_bool() && lost->get_bool();
  return result;
}

}  // namespace godwit::sites
