#include "functions/codec.h"

#include <boost/json.hpp>

#include "base/try.h"

namespace godwit::functions {
namespace {

namespace json = boost::json;

json::object Strings(const std::map<std::string, std::string>& map) {
  json::object object;
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}

// Reads fields that may be missing; anything of another kind than expected is as good as missing.
class Reader {
 public:
  explicit Reader(const json::value& value) : object_(value.if_object()) {}
  explicit operator bool() const { return object_ != nullptr; }

  const json::value* Find(std::string_view key) const {
    return object_ != nullptr ? object_->if_contains(key) : nullptr;
  }
  void Read(std::string_view key, std::string& into) const {
    const auto* value = Find(key);
    if (value != nullptr && value->is_string()) into = std::string(value->get_string());
  }
  template <std::integral Integer>
  void Read(std::string_view key, Integer& into) const {
    const auto* value = Find(key);
    if (value != nullptr && value->is_int64()) into = static_cast<Integer>(value->get_int64());
  }
  void Read(std::string_view key, Nanos& into) const {
    int64_t count = into.count();
    Read(key, count);
    into = Nanos(count);
  }
  void Read(std::string_view key, bool& into) const {
    const auto* value = Find(key);
    if (value != nullptr && value->is_bool()) into = value->get_bool();
  }
  void Read(std::string_view key, std::vector<std::string>& into) const {
    const auto* value = Find(key);
    if (value == nullptr || !value->is_array()) return;
    for (const auto& text : value->get_array()) {
      if (text.is_string()) into.emplace_back(text.get_string());
    }
  }
  void Read(std::string_view key, network::Address& into) const {
    std::string text;
    Read(key, text);
    into = network::ParseAddress(text).value_or(network::Address{});
  }
  void Read(std::string_view key, std::map<std::string, std::string>& into) const {
    const auto* value = Find(key);
    if (value == nullptr || !value->is_object()) return;
    for (const auto& [name, text] : value->get_object()) {
      if (text.is_string()) into[name] = std::string(text.get_string());
    }
  }
  template <typename Each>
  void ForEach(std::string_view key, Each each) const {
    const auto* value = Find(key);
    if (value == nullptr || !value->is_array()) return;
    for (const auto& item : value->get_array()) each(Reader(item));
  }

 private:
  const json::object* object_;
};

Result<json::value> Parse(std::string_view text, const char* what) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object())
    return Fail(Code::kCorrupt, "the {} that was kept is not readable", what);
  return value;
}

json::value StartValue(const images::ImageConfig& start) {
  const auto texts = [](const std::vector<std::string>& list) {
    return json::array(list.begin(), list.end());
  };
  return json::object{{"entrypoint", texts(start.entrypoint)},
                      {"command", texts(start.command)},
                      {"directory", start.directory},
                      {"environment", texts(start.environment)}};
}

images::ImageConfig ReadStart(const Reader& reader) {
  images::ImageConfig start;
  reader.Read("entrypoint", start.entrypoint);
  reader.Read("command", start.command);
  reader.Read("directory", start.directory);
  reader.Read("environment", start.environment);
  return start;
}

json::value FunctionValue(const Function& function) {
  const FunctionSpec& spec = function.spec;
  json::object object{{"name", spec.name},
                      {"runtime", spec.runtime},
                      {"handler", spec.handler},
                      {"role", spec.role},
                      {"description", spec.description},
                      {"timeout_s", spec.timeout.count()},
                      {"memory_mb", spec.memory_mb},
                      {"ephemeral_mb", spec.ephemeral_mb},
                      {"environment", Strings(spec.environment)},
                      {"tags", Strings(spec.tags)},
                      {"max_instances", spec.max_instances},
                      {"subnets", json::array(spec.subnets.begin(), spec.subnets.end())},
                      {"version", function.version},
                      {"code_sha256", function.code_sha256},
                      {"code_bytes", static_cast<int64_t>(function.code_bytes)},
                      {"code_id", function.code_id},
                      {"zip_id", function.zip_id},
                      {"revision_id", function.revision_id},
                      {"modified_ns", function.last_modified.since_epoch.count()}};
  if (spec.snap_start) object["snap_start"] = *spec.snap_start;
  if (!spec.warm_up.empty()) object["warm_up"] = spec.warm_up;
  if (!spec.engine.empty()) object["engine"] = spec.engine;
  if (!spec.image.empty()) {
    object["image"] = spec.image;
    object["image_config"] = StartValue(spec.image_config);
    object["image_start"] = StartValue(function.image_start);
  }
  return object;
}

Function ReadFunction(const Reader& reader) {
  Function function;
  FunctionSpec& spec = function.spec;
  reader.Read("name", spec.name);
  reader.Read("runtime", spec.runtime);
  reader.Read("handler", spec.handler);
  reader.Read("role", spec.role);
  reader.Read("description", spec.description);
  int64_t timeout = spec.timeout.count();
  reader.Read("timeout_s", timeout);
  spec.timeout = std::chrono::seconds(timeout);
  reader.Read("memory_mb", spec.memory_mb);
  reader.Read("ephemeral_mb", spec.ephemeral_mb);
  reader.Read("environment", spec.environment);
  reader.Read("tags", spec.tags);
  reader.Read("max_instances", spec.max_instances);
  reader.Read("subnets", spec.subnets);
  if (reader.Find("snap_start") != nullptr) {
    spec.snap_start.emplace();
    reader.Read("snap_start", *spec.snap_start);
  }
  reader.Read("warm_up", spec.warm_up);
  reader.Read("version", function.version);
  reader.Read("code_sha256", function.code_sha256);
  reader.Read("code_bytes", function.code_bytes);
  reader.Read("code_id", function.code_id);
  reader.Read("zip_id", function.zip_id);
  reader.Read("revision_id", function.revision_id);
  reader.Read("modified_ns", function.last_modified.since_epoch);
  reader.Read("engine", spec.engine);
  reader.Read("image", spec.image);
  if (const auto* config = reader.Find("image_config"))
    spec.image_config = ReadStart(Reader(*config));
  if (const auto* start = reader.Find("image_start"))
    function.image_start = ReadStart(Reader(*start));
  return function;
}

// Of the facts. 1, or none, knew no connection that waits for a callback.
constexpr int kFactsVersion = 2;

json::value SessionValue(const SavedSession& session) {
  const auto& tcp = session.tcp;
  json::object object{{"awaiting_next", session.awaiting == SavedSession::Awaiting::kNext},
                      {"local_port", tcp.local_port},
                      {"peer_port", tcp.peer_port},
                      {"send_sequence", tcp.send_sequence},
                      {"receive_sequence", tcp.receive_sequence},
                      {"send_scale", tcp.send_scale},
                      {"receive_scale", tcp.receive_scale},
                      {"mss", tcp.mss},
                      {"timestamp", tcp.timestamp},
                      {"timestamps", tcp.has_timestamps},
                      {"sack", tcp.has_sack},
                      {"window_update", tcp.window_update},
                      {"send_window", tcp.send_window},
                      {"max_window", tcp.max_window},
                      {"receive_window", tcp.receive_window},
                      {"receive_window_update", tcp.receive_window_update}};
  // Of templates alone, which an older program does not look for.
  if (session.awaiting == SavedSession::Awaiting::kRestore) object["awaiting_restore"] = true;
  if (session.awaiting == SavedSession::Awaiting::kCallback) {
    object["awaiting_callback"] =
        json::object{{"call", session.callback.call}, {"number", session.callback.number}};
  }
  return object;
}

SavedSession ReadSession(const Reader& reader) {
  SavedSession session;
  auto& tcp = session.tcp;
  bool next = false;
  reader.Read("awaiting_next", next);
  session.awaiting = next ? SavedSession::Awaiting::kNext : SavedSession::Awaiting::kRequest;
  bool restore = false;
  reader.Read("awaiting_restore", restore);
  if (restore) session.awaiting = SavedSession::Awaiting::kRestore;
  if (const auto* callback = reader.Find("awaiting_callback")) {
    session.awaiting = SavedSession::Awaiting::kCallback;
    Reader(*callback).Read("call", session.callback.call);
    Reader(*callback).Read("number", session.callback.number);
  }
  reader.Read("local_port", tcp.local_port);
  reader.Read("peer_port", tcp.peer_port);
  reader.Read("send_sequence", tcp.send_sequence);
  reader.Read("receive_sequence", tcp.receive_sequence);
  reader.Read("send_scale", tcp.send_scale);
  reader.Read("receive_scale", tcp.receive_scale);
  reader.Read("mss", tcp.mss);
  reader.Read("timestamp", tcp.timestamp);
  reader.Read("timestamps", tcp.has_timestamps);
  reader.Read("sack", tcp.has_sack);
  reader.Read("window_update", tcp.window_update);
  reader.Read("send_window", tcp.send_window);
  reader.Read("max_window", tcp.max_window);
  reader.Read("receive_window", tcp.receive_window);
  reader.Read("receive_window_update", tcp.receive_window_update);
  return session;
}

json::value EarValue(const network::Ear& ear) {
  return json::object{{"protocol", static_cast<int>(ear.protocol)},
                      {"port", ear.port},
                      {"peer", ear.peer ? ear.peer.ToString() : ""},
                      {"peer_port", ear.peer_port},
                      {"next", ear.next},
                      {"window", ear.window}};
}

network::Ear ReadEar(const Reader& reader) {
  network::Ear ear;
  int protocol = 0;
  reader.Read("protocol", protocol);
  ear.protocol = static_cast<network::Protocol>(protocol);
  reader.Read("port", ear.port);
  reader.Read("peer", ear.peer);
  reader.Read("peer_port", ear.peer_port);
  reader.Read("next", ear.next);
  reader.Read("window", ear.window);
  return ear;
}

}  // namespace

std::string FunctionToJson(const Function& function) {
  return json::serialize(FunctionValue(function));
}

Result<Function> FunctionFromJson(std::string_view text) {
  GODWIT_TRY(const json::value value, Parse(text, "function"));
  return ReadFunction(Reader(value));
}

std::string FactsToJson(const InstanceFacts& facts) {
  json::array sessions;
  for (const auto& session : facts.sessions) sessions.push_back(SessionValue(session));
  json::array ears;
  for (const auto& ear : facts.ears) ears.push_back(EarValue(ear));
  json::array timeouts;
  for (const auto& timeout : facts.timeouts) {
    timeouts.push_back(
        json::object{{"pid", timeout.pid},
                     {"address", static_cast<int64_t>(timeout.address)},
                     {"timeval", timeout.form == checkpoint::Timeout::Form::kTimeval},
                     {"word", timeout.form == checkpoint::Timeout::Form::kWord},
                     {"deadline_ns", timeout.deadline.count()}});
  }
  json::object object{{"version", kFactsVersion},
                      {"instance", facts.instance.text},
                      {"sequence", static_cast<int64_t>(facts.sequence)},
                      {"image_key", facts.image_key},
                      {"function", FunctionValue(*facts.function)},
                      {"uid", facts.uid},
                      {"pid", facts.pid},
                      {"highest_pid", facts.highest_pid},
                      {"sessions", std::move(sessions)},
                      {"ears", std::move(ears)},
                      {"timeouts", std::move(timeouts)},
                      {"clock_ns", facts.clock.count()},
                      {"timers_read_ns", facts.timers_read.count()},
                      {"clock_offset_ns", facts.clock_offset.count()},
                      {"wall_ns", facts.wall.since_epoch.count()},
                      {"boot", facts.boot},
                      {"awake_ns", facts.awake.count()}};
  if (!facts.bases.empty()) {
    json::array bases;
    for (const BaseFacts& base : facts.bases) {
      bases.push_back(json::object{{"image", base.image.hex},
                                   {"image_key", base.image_key},
                                   {"instance", base.instance.text},
                                   {"sequence", static_cast<int64_t>(base.sequence)}});
    }
    object["bases"] = std::move(bases);
  }
  if (facts.epoch != 0) object["epoch"] = facts.epoch;
  if (facts.address) object["address"] = facts.address.ToString();
  if (facts.deadline) object["deadline_ns"] = facts.deadline->count();
  if (facts.call) {
    object["call"] = json::object{{"id", facts.call->id.text},
                                  {"event", facts.call->kind == CallKind::kEvent},
                                  {"attempt", facts.call->attempt},
                                  {"accepted_ns", facts.call->accepted.since_epoch.count()}};
    if (!facts.call->home.empty()) object["call"].as_object()["home"] = facts.call->home;
  }
  return json::serialize(object);
}

Result<InstanceFacts> FactsFromJson(std::string_view text) {
  GODWIT_TRY(const json::value value, Parse(text, "suspended instance"));
  const Reader reader(value);
  int version = 1;
  reader.Read("version", version);
  if (version > kFactsVersion) {
    return Fail(Code::kUnsupported,
                "the suspended instance was kept in version {}, this program knows 1 to {} (start "
                "the newer program)",
                version, kFactsVersion);
  }
  InstanceFacts facts;
  reader.Read("instance", facts.instance.text);
  if (!InstanceId::Parse(facts.instance.text)) {
    return Fail(Code::kCorrupt, "the suspended instance that was kept has the name '{}'",
                facts.instance.text);
  }
  reader.Read("sequence", facts.sequence);
  reader.Read("image_key", facts.image_key);
  reader.ForEach("bases", [&](const Reader& item) {
    BaseFacts& base = facts.bases.emplace_back();
    item.Read("image", base.image.hex);
    item.Read("image_key", base.image_key);
    item.Read("instance", base.instance.text);
    item.Read("sequence", base.sequence);
  });
  if (const auto* function = reader.Find("function"))
    facts.function = std::make_shared<const Function>(ReadFunction(Reader(*function)));
  reader.Read("uid", facts.uid);
  reader.Read("pid", facts.pid);
  reader.Read("highest_pid", facts.highest_pid);
  reader.ForEach("sessions",
                 [&](const Reader& item) { facts.sessions.push_back(ReadSession(item)); });
  reader.Read("address", facts.address);
  reader.ForEach("ears", [&](const Reader& item) { facts.ears.push_back(ReadEar(item)); });
  reader.ForEach("timeouts", [&](const Reader& item) {
    checkpoint::Timeout timeout;
    bool timeval = false;
    item.Read("pid", timeout.pid);
    item.Read("address", timeout.address);
    bool word = false;
    item.Read("timeval", timeval);
    item.Read("word", word);
    item.Read("deadline_ns", timeout.deadline);
    using Form = checkpoint::Timeout::Form;
    timeout.form = word ? Form::kWord : timeval ? Form::kTimeval : Form::kTimespec;
    facts.timeouts.push_back(timeout);
  });
  reader.Read("clock_ns", facts.clock);
  reader.Read("timers_read_ns", facts.timers_read);
  reader.Read("clock_offset_ns", facts.clock_offset);
  reader.Read("wall_ns", facts.wall.since_epoch);
  reader.Read("boot", facts.boot);
  reader.Read("awake_ns", facts.awake);
  reader.Read("epoch", facts.epoch);
  if (reader.Find("deadline_ns") != nullptr) {
    facts.deadline.emplace();
    reader.Read("deadline_ns", *facts.deadline);
  }
  if (const auto* call = reader.Find("call")) {
    const Reader item(*call);
    Invocation invocation;
    bool event = false;
    item.Read("id", invocation.id.text);
    item.Read("event", event);
    item.Read("attempt", invocation.attempt);
    item.Read("accepted_ns", invocation.accepted.since_epoch);
    item.Read("home", invocation.home);
    invocation.kind = event ? CallKind::kEvent : CallKind::kSync;
    invocation.function = facts.function->spec.name;
    facts.call = std::move(invocation);
  }
  return facts;
}

}  // namespace godwit::functions
