// The table of keys.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/try.h"
#include "cli/config.h"
#include "cli/human.h"
#include "http/address.h"

namespace godwit::cli {
namespace {

using Kind = ConfigKey::Kind;

Result<> SetSpan(Nanos& member, const std::string& text) {
  GODWIT_TRY(member, ParseSpan(text));
  return {};
}

Result<> SetCount(int64_t& member, const std::string& text, int64_t least) {
  constexpr int64_t kMost = 1'000'000;
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < least || number > kMost) {
    return Fail(Code::kInvalid, "'{}' is not a whole number from {} to {}", text, least, kMost);
  }
  member = number;
  return {};
}

Result<> SetSize(uint64_t& member, const std::string& text) {
  constexpr std::string_view kUnits = "KMG";
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const size_t unit = rest == end ? std::string_view::npos : kUnits.find(*rest);
  const bool has_unit = unit != std::string_view::npos && rest + 1 == end;
  if (error != std::errc() || (rest != end && !has_unit) || (has_unit && number >= 1ULL << 30)) {
    return Fail(Code::kInvalid, "'{}' is not a size (write one as 256M)", text);
  }
  member = has_unit ? number << (10 * (unit + 1)) : number;
  return {};
}

Result<> SetSwitch(bool& member, const std::string& text) {
  if (text != "true" && text != "false") {
    return Fail(Code::kInvalid, "'{}' is neither true nor false", text);
  }
  member = text == "true";
  return {};
}

Result<> SetOnOff(bool& member, const std::string& text) {
  if (text != "on" && text != "off")
    return Fail(Code::kInvalid, "'{}' is neither on nor off", text);
  member = text == "on";
  return {};
}

Result<> SetLevel(LogLevel& member, const std::string& text) {
  constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevels = {
      {{"debug", LogLevel::kDebug},
       {"info", LogLevel::kInfo},
       {"warning", LogLevel::kWarning},
       {"error", LogLevel::kError},
       {"off", LogLevel::kOff}}};
  for (const auto& [name, level] : kLevels) {
    if (text != name) continue;
    member = level;
    return {};
  }
  return Fail(Code::kInvalid, "'{}' is not a level (write debug, info, warning, error or off)",
              text);
}

Result<> SetPath(std::string& member, const std::string& text) {
  if (!text.starts_with('/')) {
    return Fail(Code::kInvalid, "'{}' is not a whole path (begin it with /)", text);
  }
  member = text;
  return {};
}

// What it means is for the node to say.
Result<> SetText(std::string& member, const std::string& text) {
  member = text;
  return {};
}

Result<> SetAddress(std::string& member, const std::string& text) {
  GODWIT_TRY(http::Address::Parse(text));
  member = text;
  return {};
}

Result<> SetEngine(std::string& member, const std::string& text) {
  if (text != "native" && text != "docker")
    return Fail(Code::kInvalid, "'{}' is no engine (write native or docker)", text);
  member = text;
  return {};
}

Result<> SetRegion(std::string& member, const std::string& text) {
  const bool plain = !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!plain) return Fail(Code::kInvalid, "'{}' is not a region (write one as us-east-1)", text);
  member = text;
  return {};
}

Result<> SetAccount(std::string& member, const std::string& text) {
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (text.size() != 12 || !digits) {
    return Fail(Code::kInvalid, "'{}' is not an account (write 12 digits)", text);
  }
  member = text;
  return {};
}

const std::array<ConfigKey, 24> kKeys = {{
    {"data", Kind::kText, "DIR", "/var/lib/godwit", "/srv/godwit",
     "The folder that holds everything: functions, images, the journal and the node's key. One "
     "node "
     "uses it at a time.",
     [](NodeConfig& c, const std::string& t) { return SetPath(c.data, t); }},
    {"listen", Kind::kText, "ADDR:PORT", "127.0.0.1:9000", "[::1]:9000",
     "Where the Lambda API and Godwit's own API are served, or unix:/PATH. Port 0 takes a free "
     "one. "
     "Whoever "
     "reaches it may deploy and run code: keep it on the loopback address, or behind a proxy that "
     "asks who it is.",
     [](NodeConfig& c, const std::string& t) { return SetAddress(c.listen, t); }},
    {"log_level", Kind::kText, "LEVEL", "info", "debug",
     "What the node's log tells, on standard error: debug, info, warning, error or off.",
     [](NodeConfig& c, const std::string& t) { return SetLevel(c.log_level, t); }},
    {"blocked_after", Kind::kSpan, "DURATION", "1s", "500ms",
     "A call that has used no CPU and waits in every thread for so long is put away.",
     [](NodeConfig& c, const std::string& t) { return SetSpan(c.blocked_after, t); }},
    {"freeze_after", Kind::kSpan, "DURATION", "1s", "10s",
     "An instance that has had no call for so long is frozen: it keeps its memory, but not its "
     "processor.",
     [](NodeConfig& c, const std::string& t) { return SetSpan(c.freeze_after, t); }},
    {"idle_after", Kind::kSpan, "DURATION", "10s", "5m",
     "An instance that has had no call for so long is put away.",
     [](NodeConfig& c, const std::string& t) { return SetSpan(c.idle_after, t); }},
    {"keep_awake", Kind::kSwitch, "", "false", "true",
     "Put nothing away by itself; `godwit suspend` still does.",
     [](NodeConfig& c, const std::string& t) { return SetSwitch(c.keep_awake, t); }},
    {"durable_suspend", Kind::kSwitch, "", "false", "true",
     "Tell that a call is put away only when its image would survive a power cut. Otherwise it is "
     "told when the image would survive the node, and the disk has it a moment later.",
     [](NodeConfig& c, const std::string& t) { return SetSwitch(c.durable_suspend, t); }},
    {"memory_budget", Kind::kText, "SIZE", "0", "256M",
     "How much memory all instances together may hold, with K, M, G or nothing behind the number; "
     "0 "
     "is no limit. Before it is used up, room is made: the idle are put away first, then the "
     "longest "
     "waits. A start that does not fit waits for it.",
     [](NodeConfig& c, const std::string& t) { return SetSize(c.memory_budget, t); }},
    {"max_instances", Kind::kCount, "N", "1000", "200",
     "Instances of one function, those put away among them, unless the function has a lower limit "
     "of "
     "its own. A call that finds no free one waits in the function's queue.",
     [](NodeConfig& c, const std::string& t) { return SetCount(c.max_instances, t, 1); }},
    {"max_queue", Kind::kCount, "N", "1000", "100",
     "Calls of one function that wait for an instance; one more is refused with status 429, "
     "TooManyRequestsException.",
     [](NodeConfig& c, const std::string& t) { return SetCount(c.max_queue, t, 0); }},
    {"kept_walls", Kind::kCount, "N", "32", "0",
     "Sandboxes that stay up, empty, for instances that are put away and are likely to be wanted "
     "soonest, within ten minutes. The others are built anew when they come back, which takes some "
     "milliseconds more.",
     [](NodeConfig& c, const std::string& t) { return SetCount(c.kept_walls, t, 0); }},
    {"max_connections", Kind::kCount, "N", "1024", "4096",
     "Connections served at once; beyond, the longest idle one is closed. A caller that waits "
     "holds one.",
     [](NodeConfig& c, const std::string& t) { return SetCount(c.max_connections, t, 1); }},
    {"result_keep", Kind::kSpan, "DURATION", "24h", "7d",
     "How long the result of an asynchronous call is kept after it ended.",
     [](NodeConfig& c, const std::string& t) { return SetSpan(c.result_keep, t); }},
    {"network_range", Kind::kText, "RANGE", "10.249.0.0/16", "172.30.0.0/20",
     "The addresses of instances whose function has a network (`godwit deploy --network nat`): a "
     "private range that nothing else here uses, /8 to /28.",
     [](NodeConfig& c, const std::string& t) { return SetText(c.network_range, t); }},
    {"prebake", Kind::kText, "on|off", "on", "off",
     "After a function's first start, keep a template of it on disk, from which its further "
     "instances are cloned. A function's own SnapStart setting goes before this.",
     [](NodeConfig& c, const std::string& t) { return SetOnOff(c.prebake, t); }},
    {"template_cache", Kind::kCount, "MB", "64", "256",
     "Memory for templates that are kept unpacked: a clone of one of them starts sooner.",
     [](NodeConfig& c, const std::string& t) { return SetCount(c.template_cache_mb, t, 0); }},
    {"region", Kind::kText, "REGION", "us-east-1", "eu-central-1",
     "The AWS region in ARNs and in the functions' environment.",
     [](NodeConfig& c, const std::string& t) { return SetRegion(c.region, t); }},
    {"account", Kind::kText, "DIGITS", "000000000000", "123456789012", "The AWS account in ARNs.",
     [](NodeConfig& c, const std::string& t) { return SetAccount(c.account, t); }},
    {"criu", Kind::kText, "FILE", "", "/usr/local/sbin/criu",
     "The CRIU program, 4.1 or later. Without this key it is looked for, first where Godwit's "
     "set-up "
     "puts it.",
     [](NodeConfig& c, const std::string& t) { return SetPath(c.criu, t); }},
    {"engine", Kind::kText, "ENGINE", "native", "docker",
     "What runs functions that do not say it themselves (`godwit deploy --engine`): native, or "
     "docker, the Docker Engine.",
     [](NodeConfig& c, const std::string& t) { return SetEngine(c.engine, t); }},
    {"docker_socket", Kind::kText, "FILE", "/var/run/docker.sock", "/run/user/0/docker.sock",
     "The Unix socket of the Docker Engine.",
     [](NodeConfig& c, const std::string& t) { return SetPath(c.docker_socket, t); }},
    {"coordinator", Kind::kText, "URL", "", "etcd://10.0.0.9:2379,10.0.0.10:2379",
     "Where the nodes of this node's site keep what they agree on, if not where its site was made "
     "with: etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...], or etcds:// for TLS. Of no meaning "
     "for "
     "a node that belongs to no site.",
     [](NodeConfig& c, const std::string& t) { return SetText(c.coordinator, t); }},
    {"site_listen", Kind::kText, "ADDR:PORT", "", "0.0.0.0:9443",
     "Where the site port listens. Without this key: at the node's address in its site, if that is "
     "a number, else at all addresses of this machine.",
     [](NodeConfig& c, const std::string& t) { return SetAddress(c.site_listen, t); }},
}};

}  // namespace

std::span<const ConfigKey> ConfigKeys() { return kKeys; }

std::string FlagOf(const ConfigKey& key) {
  std::string flag = "--" + key.name;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

}  // namespace godwit::cli
