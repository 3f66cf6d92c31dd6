#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

namespace godwit::cli {
namespace {

constexpr std::string_view kBrief = "functions that can be stopped, kept and moved at any instant";

using Row = std::pair<std::string, std::string>;

std::string Rows(const std::vector<Row>& rows) {
  size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  std::string text;
  for (const auto& [left, right] : rows) {
    text += fmt::format("  {:<{}}  {}\n", left, width, Wrap(right, width + 4));
  }
  return text;
}

std::string Indented(std::string_view text) {
  std::string result = "  ";
  for (const char c : text) {
    result += c;
    if (c == '\n') result += "  ";
  }
  return result + "\n";
}

}  // namespace

std::string Wrap(std::string_view text, size_t indent, size_t width) {
  std::string result;
  size_t column = indent;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (column > indent && column + 1 + word.size() > width) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent && !word.empty()) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
    if (end == text.size()) break;
    if (text[end] == '\n') {
      result += '\n' + (text.substr(end + 1).starts_with('\n') ? "" : std::string(indent, ' '));
      column = indent;
    }
    text.remove_prefix(end + 1);
  }
  return result;
}

std::vector<std::pair<int, std::string>> ExitCodes() {
  std::vector<std::pair<int, std::string>> codes = {{0, "done"}};
#define X(name, text, http, exit) codes.emplace_back(exit, text);
  GODWIT_CODES(X)
#undef X
  for (auto& [code, text] : codes) {
    if (code == ExitCode(Code::kInternal)) text += ", or the function itself failed";
    if (code == ExitCode(Code::kInvalid)) text += ": a usage error or a value that is refused";
    if (code == ExitCode(Code::kUnavailable)) text += ": no node answers";
  }
  return codes;
}

std::string Overview(std::span<const Verb> verbs) {
  std::string text = fmt::format(
      "godwit {}: {}\n\nUsage: godwit VERB [OPERANDS] [FLAGS]\n\nVerbs:\n", kVersion, kBrief);
  std::vector<Row> rows;
  for (const auto& verb : verbs) rows.emplace_back(verb.name, verb.brief);
  text += Rows(rows);
  text +=
      "\nEvery verb takes --help and --json. The node is named by --endpoint URL, else by the\n"
      "variable GODWIT_ENDPOINT, else it is http://127.0.0.1:9000.\n\nExit codes:\n";
  rows.clear();
  for (const auto& [code, meaning] : ExitCodes()) rows.emplace_back(std::to_string(code), meaning);
  text += Rows(rows);
  text +=
      "\nExample:\n"
      "  sudo godwit node &\n"
      "  godwit deploy examples/greeter\n"
      "  godwit invoke greeter '{\"name\":\"edge\"}'\n";
  return text;
}

std::string HelpOf(const Verb& verb) {
  std::string text = fmt::format("Usage: {}\n\n{}.\n", UsageOf(verb), verb.brief);
  if (!verb.details.empty()) text += '\n' + Wrap(verb.details, 0) + '\n';
  std::vector<Row> rows;
  for (const auto& operand : verb.operands) rows.emplace_back(operand.name, operand.meaning);
  if (!rows.empty()) text += "\nOperands:\n" + Rows(rows);
  rows.clear();
  for (const auto& flag : FlagsOf(verb)) {
    const std::string many = flag.many ? " (may be repeated)" : "";
    rows.emplace_back(flag.value.empty() ? flag.name : flag.name + " " + flag.value,
                      flag.meaning + many);
  }
  text += "\nFlags:\n" + Rows(rows);
  return text + "\nExample:\n" + Indented(verb.example);
}

}  // namespace godwit::cli
