#include "admin/admin_json.h"

#include <boost/json.hpp>

namespace godwit::admin {
namespace {

namespace json = boost::json;

json::value OrNull(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value OrNull(const std::optional<WallTime>& time) {
  return time ? json::value(FormatRfc3339(*time)) : json::value(nullptr);
}

int64_t Micros(Nanos span) { return std::chrono::round<std::chrono::microseconds>(span).count(); }

bool IsJson(std::string_view text) {
  constexpr size_t kMaxDepth = 5000;  // a value is taken apart recursively
  json::error_code error;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  const auto value = json::parse(text, error, {}, options);
  return !error;
}

// A result that is JSON as the function wrote it.
std::string WithResult(const json::object& head, std::string_view payload) {
  std::string text = json::serialize(head);
  text.pop_back();
  text += ",\"result\":";
  if (payload.empty()) {
    text += "null";
  } else if (IsJson(payload)) {
    text += payload;
  } else {
    text += json::serialize(json::string(payload));
  }
  return text + '}';
}

}  // namespace

json::object ToJson(const functions::InstanceView& view) {
  return {{"instance", view.id.text},
          {"function", view.function},
          {"state", ToString(view.state)},
          {"request_id", OrNull(view.request ? view.request->text : std::string())},
          {"memory_bytes", view.memory_bytes},
          {"image_bytes", view.image_bytes},
          {"wakes_at", OrNull(view.wakes_at)},
          {"reason", view.reason},
          {"since", FormatRfc3339(view.since)},
          {"pid", view.pid},
          {"address", OrNull(view.address)}};
}

json::object ToJson(const functions::MoveReport& report) {
  return {{"instance", ToJson(report.instance)},
          {"took_us", Micros(report.took)},
          {"memory_before", report.memory_before},
          {"memory_after", report.memory_after}};
}

json::array ToJson(const std::vector<functions::Transition>& history) {
  json::array list;
  for (const auto& move : history) {
    list.push_back(json::object{{"at", FormatRfc3339(move.at)},
                                {"from", ToString(move.from)},
                                {"to", ToString(move.to)},
                                {"reason", move.reason}});
  }
  return list;
}

json::object ToJson(const NodeInfo& info) {
  json::array features;
  for (const auto& feature : info.features) {
    features.push_back(json::object{{"name", feature.name},
                                    {"present", feature.present},
                                    {"detail", feature.detail},
                                    {"cost", feature.cost}});
  }
  json::array endpoints;
  for (const auto& endpoint : info.endpoints) endpoints.emplace_back(endpoint);
  return {{"version", info.version},
          {"data", info.data},
          {"endpoints", std::move(endpoints)},
          {"pid", info.pid},
          {"uptime_ms", std::chrono::round<std::chrono::milliseconds>(info.uptime).count()},
          {"rss_bytes", info.rss_bytes},
          {"features", std::move(features)}};
}

json::object ToJson(const functions::Journey& journey) {
  using std::chrono::microseconds;
  const auto us = [](Nanos span) { return std::chrono::duration_cast<microseconds>(span).count(); };
  return {{"from", journey.from},
          {"to", journey.to},
          {"mode", journey.mode},
          {"ran", journey.ran},
          {"downtime_us", us(journey.downtime)},
          {"total_us", us(journey.total)},
          {"bytes", journey.bytes},
          {"pages", journey.pages},
          {"pages_sent", journey.pages_sent},
          {"rounds", journey.rounds}};
}

std::string ToText(const functions::CallRecord& record) {
  const bool sync = record.kind == functions::CallKind::kSync;
  const json::object head = {
      {"id", record.id.text},
      {"function", record.function},
      {"kind", sync ? "RequestResponse" : "Event"},
      {"status", ToString(record.status)},
      {"attempt", record.attempt},
      {"instance", OrNull(record.instance ? record.instance->text : std::string())},
      {"node", OrNull(record.node)},
      {"function_error", OrNull(record.function_error)},
      {"accepted", FormatRfc3339(record.accepted)},
      {"finished", OrNull(record.finished)}};
  return WithResult(head, record.payload);
}

std::string ToText(const functions::TrialReport& report) {
  json::array tiers;
  for (const auto& one : report.tiers) {
    tiers.push_back(json::object{{"tier", ToString(functions::StateOf(one.tier))},
                                 {"result", functions::ToString(one.result)},
                                 {"state", ToString(one.state)},
                                 {"reason", OrNull(one.reason)},
                                 {"took_us", Micros(one.took)},
                                 {"back_us", Micros(one.back)},
                                 {"memory_before", one.memory_before},
                                 {"memory_after", one.memory_after},
                                 {"image_bytes", one.image_bytes}});
  }
  json::array obstacles;
  for (const auto& one : report.obstacles) {
    obstacles.push_back(
        json::object{{"kind", one.kind}, {"what", one.what}, {"fix", OrNull(one.fix)}});
  }
  const bool failed = report.outcome && !report.outcome->function_error.empty();
  const json::object call = {
      {"id", OrNull(report.request.text)},
      {"status", !report.outcome ? "RUNNING"
                 : failed        ? "FAILED"
                                 : "SUCCEEDED"},
      {"function_error", OrNull(failed ? report.outcome->function_error : std::string())},
      {"took_us", Micros(report.call_took)}};
  std::string text =
      json::serialize(json::object{{"function", report.function},
                                   {"instance", report.instance.text},
                                   {"checkpoints", report.Works(functions::Tier::kDisk)},
                                   {"waited", report.waited},
                                   {"tiers", std::move(tiers)},
                                   {"obstacles", std::move(obstacles)},
                                   {"template", OrNull(report.prebaked)}});
  text.pop_back();
  return text +
         ",\"call\":" + WithResult(call, report.outcome ? report.outcome->payload : std::string()) +
         '}';
}

}  // namespace godwit::admin
