#include "cli/verb.h"

#include <charconv>

namespace godwit::cli {

bool Args::Has(std::string_view name) const {
  const auto found = values_.find(name);
  return found != values_.end() && !found->second.empty() && found->second.back() != "false";
}

std::string Args::Get(std::string_view name) const { return Find(name).value_or(""); }

std::optional<std::string> Args::Find(std::string_view name) const {
  const auto& values = All(name);
  if (values.empty()) return std::nullopt;
  return values.back();
}

const std::vector<std::string>& Args::All(std::string_view name) const {
  static const std::vector<std::string> kNone;
  const auto found = values_.find(name);
  return found == values_.end() ? kNone : found->second;
}

Result<std::optional<int64_t>> Args::Number(std::string_view name) const {
  const auto text = Find(name);
  if (!text) return std::nullopt;
  int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || rest != end) {
    return Fail(Code::kInvalid, "{} wants a whole number, not '{}'", name, *text);
  }
  return number;
}

std::vector<Flag> FlagsOf(const Verb& verb) {
  std::vector<Flag> flags = verb.flags;
  flags.push_back({"--json", "", "print the result as JSON"});
  if (verb.calls_node) {
    flags.push_back({"--endpoint", "URL",
                     "the node to talk to; else GODWIT_ENDPOINT, else http://127.0.0.1:9000"});
  }
  flags.push_back({"--help", "", "show this text"});
  return flags;
}

std::string UsageOf(const Verb& verb) {
  std::string usage = "godwit " + verb.name;
  for (const auto& operand : verb.operands) {
    const std::string word = operand.name + (operand.many ? "..." : "");
    usage += operand.optional ? " [" + word + "]" : " " + word;
  }
  return usage + " [FLAGS]";
}

}  // namespace godwit::cli
