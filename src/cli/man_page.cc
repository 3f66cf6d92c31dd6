#include "cli/man_page.h"

#include <fmt/format.h>

#include "cli/help.h"

namespace godwit::cli {
namespace {

// scdoc(5): what would be markup is escaped.
std::string Plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("_*\\#`[]|").contains(c)) result += '\\';
    result += c;
  }
  return result;
}

std::string Entry(const std::string& name, const std::string& value, const std::string& meaning) {
  return fmt::format("*{}*{}\n\t{}\n\n", Plain(name),
                     value.empty() ? "" : " _" + Plain(value) + "_", Plain(meaning));
}

std::string Section(const Verb& verb) {
  std::string text =
      fmt::format("## {}\n\n*{}*\n\n{}.\n\n", verb.name, Plain(UsageOf(verb)), Plain(verb.brief));
  if (!verb.details.empty()) text += Plain(verb.details) + "\n\n";
  for (const auto& operand : verb.operands) text += Entry(operand.name, "", operand.meaning);
  for (const auto& flag : verb.flags) text += Entry(flag.name, flag.value, flag.meaning);
  return text + "```\n" + verb.example + "\n```\n\n";
}

}  // namespace

std::string ManPage(std::span<const Verb> verbs) {
  std::string text =
      "godwit(1)\n\n"
      "# NAME\n\n"
      "godwit - functions that can be stopped, kept and moved at any instant\n\n"
      "# SYNOPSIS\n\n"
      "*godwit* _VERB_ [_OPERAND_...] [_FLAG_...]\n\n"
      "# DESCRIPTION\n\n"
      "Godwit runs functions written as plain blocking code, with the API of AWS Lambda. A "
      "function "
      "that waits is put away on disk, mid-call, with no process and no memory, and is brought "
      "back "
      "when what it waits for is due. *godwit node* is the daemon; the other verbs talk to it.\n\n"
      "# VERBS\n\n";
  for (const auto& verb : verbs) text += Section(verb);
  text += "# FLAGS OF EVERY VERB\n\n";
  Verb none;
  for (const auto& flag : FlagsOf(none)) text += Entry(flag.name, flag.value, flag.meaning);
  text +=
      "# ENVIRONMENT\n\n"
      "*GODWIT\\_ENDPOINT*\n\tthe node to talk to, if *--endpoint* does not name one\n\n"
      "*NO\\_COLOR*\n\tif set, no colours\n\n"
      "# EXIT STATUS\n\n";
  for (const auto& [code, meaning] : ExitCodes()) text += Entry(std::to_string(code), "", meaning);
  return text +
         "An error is one line on standard error: godwit: cannot VERB 'OPERAND': reason (what to "
         "do)\n";
}

}  // namespace godwit::cli
