#include "admin/admin_api.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "admin/admin_json.h"
#include "base/bytes.h"
#include "base/code_name.h"
#include "base/try.h"
#include "functions/abroad.h"
#include "functions/image_store.h"
#include "functions/json_check.h"

namespace godwit::admin {
namespace {

namespace json = boost::json;

constexpr size_t kDefaultLogBytes = 64 * 1024;
constexpr size_t kMaxLogBytes = 4 * 1024 * 1024;
constexpr size_t kSmallBody = 64 * 1024;

http::Response Ok(const json::value& body) { return http::Json(200, json::serialize(body)); }

Result<std::optional<uint64_t>> NumberIn(const http::Request& request, std::string_view name,
                                         std::string_view give) {
  const auto text = request.Param(name);
  if (!text) return std::nullopt;
  uint64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || rest != end) {
    return Fail(Code::kInvalid, "'{}' is '{}', which is no number (give {})", name, *text, give);
  }
  return number;
}

Result<functions::LogRange> LogRangeOf(const http::Request& request) {
  functions::LogRange range;
  GODWIT_TRY(const auto bytes, NumberIn(request, "bytes", fmt::format("0 to {}", kMaxLogBytes)));
  GODWIT_TRY(range.after, NumberIn(request, "after", "the Godwit-Log-Next of an earlier answer"));
  range.bytes = std::min<uint64_t>(bytes.value_or(kDefaultLogBytes), kMaxLogBytes);
  return range;
}

// What is somewhat too large is read to its end, so that the refusal is in the one form.
constexpr size_t kCallbackBody = 2 * functions::kMaxCallback;
constexpr size_t kTrialBody = functions::kMaxSyncPayload + 1024;

bool IsVisible(char c) { return c >= ' ' && c <= '~'; }

template <typename Id>
Result<Id> ParseId(const std::string& text, std::string_view what, std::string_view example) {
  if (auto id = Id::Parse(text)) return *std::move(id);
  return Fail(Code::kInvalid, "'{}' is not {} (it looks like {})", text, what, example);
}

Result<InstanceId> ParseInstance(const std::string& text) {
  return ParseId<InstanceId>(text, "the id of an instance", "i-3f9a0c51b2; `godwit ps` lists them");
}

Result<RequestId> ParseRequest(const std::string& text) {
  return ParseId<RequestId>(text, "a request id", "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411");
}

// The segments of `path`, decoded; nullopt if one does not decode.
std::optional<std::vector<std::string>> Segments(std::string_view path) {
  std::vector<std::string> segments;
  while (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    auto segment = PercentDecode(path.substr(0, end));
    if (!segment) return std::nullopt;
    segments.push_back(*std::move(segment));
    path.remove_prefix(end);
  }
  return segments;
}

}  // namespace

struct AdminApi::Route {
  std::string_view method;
  std::vector<std::string_view> pattern;  // "*" stands for the one part that varies
  Answer (AdminApi::*handle)(std::string, const http::Request&);

  // What stands for "*", or "" where there is none; nullopt if the path is another.
  std::optional<std::string> Match(const std::vector<std::string>& segments) const {
    if (segments.size() != pattern.size()) return std::nullopt;
    std::string varies;
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] == "*") {
        varies = segments[i];
      } else if (segments[i] != pattern[i]) {
        return std::nullopt;
      }
    }
    return varies;
  }
};

const std::vector<AdminApi::Route>& AdminApi::Routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", {"godwit", "v1", "health"}, &AdminApi::Health},
      {"GET", {"godwit", "v1", "node"}, &AdminApi::Node},
      {"GET", {"godwit", "v1", "instances"}, &AdminApi::Instances},
      {"GET", {"godwit", "v1", "instances", "*"}, &AdminApi::Instance},
      {"GET", {"godwit", "v1", "copies"}, &AdminApi::Copies},
      {"POST", {"godwit", "v1", "instances", "*", "suspend"}, &AdminApi::Suspend},
      {"POST", {"godwit", "v1", "instances", "*", "resume"}, &AdminApi::Resume},
      {"POST", {"godwit", "v1", "instances", "*", "migrate"}, &AdminApi::Migrate},
      {"GET", {"godwit", "v1", "invocations", "*"}, &AdminApi::Invocation},
      {"GET", {"godwit", "v1", "invocations", "*", "result"}, &AdminApi::InvocationResult},
      {"POST", {"godwit", "v1", "invocations", "*", "callback"}, &AdminApi::Callback},
      {"GET", {"godwit", "v1", "functions", "*", "logs"}, &AdminApi::Logs},
      {"POST", {"godwit", "v1", "functions", "*", "trial"}, &AdminApi::Trial},
      {"GET", {"godwit", "v1", "functions", "*", "code"}, &AdminApi::Code},
      {"POST", {"godwit", "v1", "uploads"}, &AdminApi::BeginUpload},
      {"PUT", {"godwit", "v1", "uploads", "*"}, &AdminApi::AddToUpload},
      {"POST", {"godwit", "v1", "uploads", "*", "image"}, &AdminApi::ImportUpload}};
  return kRoutes;
}

size_t AdminApi::BodyLimit(std::string_view method, std::string_view path) {
  const bool callback = method == "POST" && path.starts_with("/godwit/v1/invocations/");
  const bool piece = method == "PUT" && path.starts_with("/godwit/v1/uploads/");
  const bool trial =
      method == "POST" && path.starts_with("/godwit/v1/functions/") && path.ends_with("/trial");
  if (trial) return kTrialBody;
  return piece ? functions::ImageUploads::kMaxPiece : callback ? kCallbackBody : kSmallBody;
}

AdminApi::AdminApi(functions::Platform& platform, NodeInfoProvider node, Log log)
    : platform_(platform), node_(std::move(node)), log_(std::move(log)) {}

boost::asio::awaitable<http::Response> AdminApi::Handle(http::Request request) {
  const auto segments = Segments(request.path);
  std::string allowed;
  for (const auto& route : segments ? Routes() : std::vector<Route>()) {
    auto varies = route.Match(*segments);
    if (!varies) continue;
    if (route.method != request.method) {
      allowed = route.method;
      continue;
    }
    auto answer = co_await (this->*route.handle)(*std::move(varies), request);
    if (answer) co_return *std::move(answer);
    if (HttpStatus(answer.error().code()) == 500) {
      log_.Error("{} {}: {}", request.method, request.path, answer.error().ToString());
    }
    co_return ErrorAnswer(answer.error());
  }
  if (!allowed.empty()) {
    auto response = ErrorAnswer(
        Error(godwit::Code::kInvalid,
              fmt::format("{} is not for '{}' (use {})", request.method, request.path, allowed)));
    response.status = 405;
    response.headers.push_back({"Allow", allowed});
    co_return response;
  }
  co_return ErrorAnswer(Error(godwit::Code::kNotFound,
                              fmt::format("there is no '{}' in Godwit's API", request.path)));
}

AdminApi::Answer AdminApi::Health(std::string, const http::Request&) {
  co_return Ok(json::object{{"status", "ok"}});
}

AdminApi::Answer AdminApi::Node(std::string, const http::Request&) {
  json::object body = ToJson(node_());
  body["functions"] = platform_.List().size();
  json::object counts;
  for (const auto& view : platform_.Instances()) {
    auto& count = counts[ToString(view.state)];
    count = count.is_null() ? 1 : count.as_int64() + 1;
  }
  body["instances"] = std::move(counts);
  co_return Ok(body);
}

AdminApi::Answer AdminApi::Instances(std::string, const http::Request& request) {
  if (request.Param("of") == "site") co_return co_await SiteInstances();
  // One after the other: of ten thousand, the whole tree would take many times the text's room.
  std::string list = "[";
  for (const auto& view : platform_.Instances()) {
    if (list.size() > 1) list += ',';
    list += json::serialize(ToJson(view));
  }
  co_return http::Json(200, list + "]");
}

// One that has ended is known by its history alone.
AdminApi::Answer AdminApi::Instance(std::string text, const http::Request&) {
  GODWIT_CO_TRY(const InstanceId id, ParseInstance(text));
  GODWIT_CO_TRY(const auto history, co_await platform_.History(id));
  const auto views = platform_.Instances();
  const auto found = std::ranges::find(views, id, &functions::InstanceView::id);
  if (found == views.end() && history.empty()) {
    co_return Fail(godwit::Code::kNotFound, "there is no instance '{}' (`godwit ps` lists them)",
                   text);
  }
  json::object body;
  if (found != views.end()) {
    body = ToJson(*found);
  } else {
    body = {{"instance", id.text},
            {"state", ToString(history.back().to)},
            {"reason", history.back().reason},
            {"since", FormatRfc3339(history.back().at)}};
  }
  if (const auto why = platform_.Why(id)) {
    json::object facts;
    for (const auto& [name, value] : *why) facts[name] = value;
    body["why"] = std::move(facts);
  }
  body["history"] = ToJson(history);
  co_return Ok(body);
}

AdminApi::Answer AdminApi::Suspend(std::string text, const http::Request& request) {
  GODWIT_CO_TRY(const InstanceId id, ParseInstance(text));
  GODWIT_CO_TRY(const auto tier, placement::ParseTier(request.Param("tier").value_or("disk")));
  GODWIT_CO_TRY(const auto report, co_await platform_.Suspend(id, tier));
  co_return Ok(ToJson(report));
}

AdminApi::Answer AdminApi::Resume(std::string text, const http::Request&) {
  GODWIT_CO_TRY(const InstanceId id, ParseInstance(text));
  GODWIT_CO_TRY(const auto report, co_await platform_.Resume(id));
  co_return Ok(ToJson(report));
}

Result<functions::Abroad*> AdminApi::Abroad() const {
  if (auto* abroad = platform_.abroad()) return abroad;
  return Fail(godwit::Code::kUnsupported,
              "this node is alone (`godwit site init` makes a site, docs/sites.md tells how)");
}

AdminApi::Answer AdminApi::Migrate(std::string text, const http::Request& request) {
  GODWIT_CO_TRY(const InstanceId id, ParseInstance(text));
  GODWIT_CO_TRY(auto* const abroad, Abroad());
  boost::system::error_code wrong;
  const json::value body = json::parse(request.body, wrong);
  const auto member = [&](std::string_view key) {
    const json::value* found = body.is_object() ? body.get_object().if_contains(key) : nullptr;
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
  };
  const std::string to = wrong ? "" : member("to");
  if (to.empty())
    co_return Fail(godwit::Code::kInvalid, "no node is named (send {{\"to\":\"node-b\"}})");
  const std::string mode = member("mode").empty() ? "auto" : member("mode");
  GODWIT_CO_TRY(const auto journey, co_await abroad->Migrate(id, to, mode));
  json::object report = ToJson(journey);
  report["instance"] = id.text;
  co_return Ok(report);
}

AdminApi::Answer AdminApi::Copies(std::string, const http::Request&) {
  json::array all;
  for (const auto& copy : platform_.Copies()) {
    all.push_back(json::object{{"instance", copy.id.text},
                               {"function", copy.function},
                               {"node", copy.owner},
                               {"request_id", copy.call},
                               {"image_bytes", copy.image_bytes}});
  }
  co_return Ok(all);
}

AdminApi::Answer AdminApi::SiteInstances() {
  GODWIT_CO_TRY(auto* const abroad, Abroad());
  json::array all;
  const auto add = [&](const std::string& node, const json::value& list) {
    if (!list.is_array()) return;
    for (const json::value& one : list.get_array()) {
      if (!one.is_object()) continue;
      json::object instance = one.get_object();
      instance["node"] = node;
      all.push_back(std::move(instance));
    }
  };
  json::array mine;
  for (const auto& view : platform_.Instances()) mine.push_back(ToJson(view));
  add(abroad->name(), mine);
  for (const auto& [node, answer] : co_await abroad->AskAll("/godwit/v1/instances")) {
    boost::system::error_code wrong;
    const json::value list = answer ? json::parse(*answer, wrong) : json::value();
    if (answer && !wrong) {
      add(node, list);
    } else {
      all.push_back(json::object{
          {"node", node},
          {"error", answer ? std::string("it answered in no JSON") : answer.error().ToString()}});
    }
  }
  co_return Ok(all);
}

AdminApi::Answer AdminApi::Invocation(std::string text, const http::Request&) {
  GODWIT_CO_TRY(const RequestId id, ParseRequest(text));
  GODWIT_CO_TRY(const auto record, co_await platform_.Find(id));
  co_return http::Json(200, ToText(record));
}

AdminApi::Answer AdminApi::InvocationResult(std::string text, const http::Request&) {
  GODWIT_CO_TRY(const RequestId id, ParseRequest(text));
  GODWIT_CO_TRY(auto record, co_await platform_.Find(id));
  if (!record.finished) {
    co_return Fail(godwit::Code::kConflict, "'{}' has no result yet: it is {}", text,
                   ToString(record.status));
  }
  auto response = http::Json(200, std::move(record.payload));
  if (!record.function_error.empty()) {
    response.headers.push_back({"X-Amz-Function-Error", record.function_error});
  }
  co_return response;
}

AdminApi::Answer AdminApi::Callback(std::string text, const http::Request& request) {
  functions::Callback callback;
  GODWIT_CO_TRY(callback.call, ParseRequest(text));
  if (request.body.size() > functions::kMaxCallback) {
    co_return Fail(godwit::Code::kTooLarge,
                   "the payload has {} bytes, a callback has at most {} (send a reference to it)",
                   request.body.size(), functions::kMaxCallback);
  }
  GODWIT_CO_TRY(functions::CheckJson(request.body).Within("the payload is not JSON"));
  callback.key = request.Get("Idempotency-Key");
  if (callback.key.size() > functions::kMaxCallbackKey ||
      !std::ranges::all_of(callback.key, IsVisible)) {
    co_return Fail(godwit::Code::kInvalid,
                   "the Idempotency-Key is not printable ASCII of at most {} characters",
                   functions::kMaxCallbackKey);
  }
  callback.payload = request.body;
  GODWIT_CO_TRY(const uint32_t number, co_await platform_.Deliver(std::move(callback)));
  co_return http::Json(202,
                       json::serialize(json::object{{"request_id", text}, {"number", number}}));
}

AdminApi::Answer AdminApi::Logs(std::string function, const http::Request& request) {
  GODWIT_CO_TRY(const auto range, LogRangeOf(request));
  GODWIT_CO_TRY(auto read, co_await platform_.Logs(std::move(function), range));
  http::Response response = http::Text(200, std::move(read.text));
  response.headers.push_back({"Godwit-Log-Next", std::to_string(read.next)});
  if (read.skipped > 0)
    response.headers.push_back({"Godwit-Log-Skipped", std::to_string(read.skipped)});
  co_return response;
}

AdminApi::Answer AdminApi::Trial(std::string function, const http::Request& request) {
  using std::chrono::milliseconds;
  functions::TrialRequest trial;
  constexpr uint64_t kMost = trial.kMost / milliseconds(1);
  GODWIT_CO_TRY(const auto span,
                NumberIn(request, "for_ms", fmt::format("milliseconds, 1 to {}", kMost)));
  if (span && (*span == 0 || *span > kMost)) {
    co_return Fail(godwit::Code::kInvalid,
                   "'for_ms' is {}, which is no time for a trial (give 1 to {} milliseconds)",
                   *span, kMost);
  }
  if (span) trial.limit = milliseconds(*span);
  if (request.body.size() > functions::kMaxSyncPayload) {
    co_return Fail(godwit::Code::kTooLarge, "the event has {} bytes, a call takes at most {}",
                   request.body.size(), functions::kMaxSyncPayload);
  }
  if (!request.body.empty()) trial.event = request.body;
  GODWIT_CO_TRY(const auto report, co_await platform_.Try(std::move(function), std::move(trial)));
  co_return http::Json(200, ToText(report));
}

AdminApi::Answer AdminApi::Code(std::string function, const http::Request&) {
  GODWIT_CO_TRY(auto zip, co_await platform_.Zip(std::move(function)));
  http::Response response;
  response.headers = {{"Content-Type", "application/zip"}};
  response.body = std::move(zip);
  co_return response;
}

Result<functions::ImageUploads*> AdminApi::Uploads() const {
  if (auto* uploads = platform_.images()) return uploads;
  return Fail(godwit::Code::kUnsupported, "this node takes no images");
}

AdminApi::Answer AdminApi::BeginUpload(std::string, const http::Request&) {
  GODWIT_CO_TRY(auto* const uploads, Uploads());
  GODWIT_CO_TRY(const std::string upload, uploads->Begin());
  co_return http::Json(201, json::serialize(json::object{{"upload", upload}}));
}

AdminApi::Answer AdminApi::AddToUpload(std::string upload, const http::Request& request) {
  GODWIT_CO_TRY(auto* const uploads, Uploads());
  GODWIT_CO_TRY(const auto at, NumberIn(request, "at", "where in the tar the piece begins"));
  GODWIT_CO_TRY(const uint64_t bytes,
                co_await uploads->Add(std::move(upload), at.value_or(0), request.body));
  co_return Ok(json::object{{"bytes", bytes}});
}

AdminApi::Answer AdminApi::ImportUpload(std::string upload, const http::Request&) {
  GODWIT_CO_TRY(auto* const uploads, Uploads());
  GODWIT_CO_TRY(const images::Image image, co_await uploads->Import(std::move(upload)));
  co_return Ok(json::object{{"image", image.id}, {"bytes", image.bytes}});
}

http::Response ErrorAnswer(const Error& error) {
  const json::object body = {
      {"error", json::object{{"code", NameOf(error.code())}, {"message", error.ToString()}}}};
  return http::Json(HttpStatus(error.code()), json::serialize(body));
}

}  // namespace godwit::admin
