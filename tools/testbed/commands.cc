#include "testbed/commands.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.h"

namespace godwit::testbed {
namespace {

using Ends = std::pair<std::string, std::string>;

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.empty()) return words;
    const size_t length = std::min(line.find_first_of(" \t\r"), line.size());
    words.emplace_back(line.substr(0, length));
    line.remove_prefix(length);
  }
}

// Names go into JSON and into PATHS as they are.
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<std::vector<Ends>> Find(const std::string& paths, const Relay& relay) {
  std::vector<Ends> found;
  const size_t mark = paths.find_first_of(">,");
  const std::string from = paths.substr(0, mark);
  const std::string to = mark == std::string::npos ? "" : paths.substr(mark + 1);
  for (const auto& [ends, _] : relay.paths()) {
    if (mark == std::string::npos) {
      if (from == "*" || ends.first == from || ends.second == from) found.push_back(ends);
    } else if (ends == Ends(from, to) || (paths[mark] == ',' && ends == Ends(to, from))) {
      found.push_back(ends);
    }
  }
  if (found.empty() && paths != "*") {
    return Fail(Code::kNotFound, "cannot find '{}': there is no such path (a>b, a,b, a or *)",
                paths);
  }
  return found;
}

Result<> Set(const std::vector<std::string>& words, Relay& relay) {
  GODWIT_TRY(const auto paths, Find(words[1], relay));
  std::vector<Limits> all;
  for (const Ends& ends : paths) {
    Limits limits = relay.paths().at(ends).limits();
    for (size_t i = 2; i < words.size(); ++i) GODWIT_TRY(Apply(words[i], limits));
    all.push_back(limits);
  }
  {
    const auto held = relay.Hold();
    for (size_t i = 0; i < paths.size(); ++i) relay.At(paths[i]).Set(all[i]);
  }
  return relay.TuneDevices();
}

std::string Stats(Relay& relay) {
  const auto held = relay.Hold();
  std::string text;
  for (const auto& [ends, path] : relay.paths()) {
    const Counts& counts = path.counts();
    text += fmt::format(
        R"({}{{"from":"{}","to":"{}","up":{},"offered":{},"offered_bytes":{},"delivered":{},)"
        R"("delivered_bytes":{},"lost":{},"overflowed":{},"cut":{},"refused":{},"held":{},)"
        R"("late":{},"latest_us":{}}})",
        text.empty() ? "" : ",", ends.first, ends.second, path.up(), counts.offered,
        counts.offered_bytes, counts.delivered, counts.delivered_bytes, counts.lost,
        counts.overflowed, counts.cut, counts.refused, path.held(), counts.late,
        counts.latest.count() / 1000);
  }
  return "[" + text + "]";
}

}  // namespace

Result<std::string> Obey(std::string_view line, Relay& relay) {
  const std::vector<std::string> words = Words(line);
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "port" && words.size() == 4) {
    if (!IsName(words[1])) {
      return Fail(Code::kInvalid, "cannot name a port '{}': 1 to 32 of a-z, 0-9 and - (node-a)",
                  words[1]);
    }
    GODWIT_TRY(relay.AddPort(words[1], words[2], words[3]));
  } else if (verb == "drop" && words.size() == 2) {
    GODWIT_TRY(relay.DropPort(words[1]));
  } else if (verb == "set" && words.size() > 2) {
    GODWIT_TRY(Set(words, relay));
  } else if ((verb == "cut" || verb == "heal") && words.size() == 2) {
    GODWIT_TRY(const auto paths, Find(words[1], relay));
    const auto held = relay.Hold();
    for (const Ends& ends : paths) verb == "cut" ? relay.At(ends).Cut() : relay.At(ends).Heal();
  } else if (verb == "stats" && words.size() == 1) {
    return Stats(relay);
  } else {
    return Fail(Code::kInvalid,
                "cannot obey '{}': no such command (port NAME SPACE DEVICE, drop NAME, set PATHS "
                "KEY=VALUE…, cut PATHS, heal PATHS, stats)",
                line);
  }
  return std::string("done");
}

}  // namespace godwit::testbed
