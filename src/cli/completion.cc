#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "base/try.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

// For a word in single quotes, in all three shells.
std::string Escaped(std::string_view text, std::string_view special) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
      continue;
    }
    if (special.contains(c)) result += '\\';
    result += c;
  }
  return result;
}

std::string FishEscaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

// The command that lists what an operand may be, in the first column under a header; "" where it is
// a file.
std::string_view ListerOf(const Verb& verb) {
  if (verb.operands.empty()) return "";
  if (verb.operands.front().name == "FUNCTION") return "list";
  return verb.operands.front().name == "INSTANCE" ? "ps" : "";
}

// The first sentence: a hint in a menu has one line.
std::string_view FirstSentence(std::string_view text) { return text.substr(0, text.find(". ")); }

// Verbs of a group, such as `site init`, have a first word in common, which is offered once.
std::string HeadOf(const Verb& verb) { return verb.name.substr(0, verb.name.find(' ')); }
std::string TailOf(const Verb& verb) {
  const size_t blank = verb.name.find(' ');
  return blank == verb.name.npos ? "" : verb.name.substr(blank + 1);
}

std::string Words(std::span<const Verb> verbs) {
  std::string words;
  std::string last;
  for (const auto& verb : verbs) {
    if (HeadOf(verb) == last) continue;
    last = HeadOf(verb);
    words += (words.empty() ? "" : " ") + last;
  }
  return words;
}

std::map<std::string, std::string> Groups(std::span<const Verb> verbs) {
  std::map<std::string, std::string> groups;
  for (const auto& verb : verbs) {
    if (TailOf(verb).empty()) continue;
    std::string& tails = groups[HeadOf(verb)];
    tails += (tails.empty() ? "" : " ") + TailOf(verb);
  }
  return groups;
}

// In a `case` of bash and zsh.
std::string Pattern(const Verb& verb) {
  return TailOf(verb).empty() ? verb.name : HeadOf(verb) + "\\ " + TailOf(verb);
}

}  // namespace

std::string BashCompletion(std::span<const Verb> verbs) {
  std::string flags, values, listers, groups;
  for (const auto& verb : verbs) {
    if (const auto lister = ListerOf(verb); !lister.empty())
      listers += fmt::format("    {}) lister={} ;;\n", Pattern(verb), lister);
    std::string names;
    for (const auto& flag : FlagsOf(verb)) {
      names += " " + flag.name;
      if (flag.choices.empty()) continue;
      values += fmt::format("    {}:{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                            Pattern(verb), flag.name, flag.choices);
    }
    flags += fmt::format("    {}) flags='{}' ;;\n", Pattern(verb), names.substr(1));
  }
  for (const auto& [group, tails] : Groups(verbs)) {
    groups += fmt::format(
        "    {}) if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
        "      COMPREPLY=($(compgen -W '{}' -- \"$word\")); return; fi\n"
        "      verb=\"$verb ${{COMP_WORDS[2]}}\" ;;\n",
        group, tails);
  }
  return fmt::format(R"sh(# bash completion for godwit
_godwit() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb=${{COMP_WORDS[1]}} flags= lister=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$word"))
    return
  fi
  case "$verb" in
{}  esac
  case "$verb:$before" in
{}  esac
  case "$verb" in
{}  esac
  case "$verb" in
{}  esac
  if [ "$COMP_CWORD" -gt 2 ] && [ "$verb" != rm ]; then lister=; fi
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) if [ -n "$lister" ]; then
         local known=$("${{COMP_WORDS[0]}}" $lister 2>/dev/null | awk 'NR > 1 {{print $1}}')
         COMPREPLY=($(compgen -W "$known" -- "$word"))
       else
         COMPREPLY=($(compgen -f -- "$word"))
       fi ;;
  esac
}}
complete -o filenames -F _godwit godwit
)sh",
                     Words(verbs), groups, values, flags, listers);
}

std::string ZshCompletion(std::span<const Verb> verbs) {
  std::string names, cases, groups;
  for (const auto& [group, tails] : Groups(verbs)) {
    groups += fmt::format(
        "    {}) if (( CURRENT == 2 )); then compadd {}; return; fi\n"
        "      verb=\"$verb $words[2]\"; shift words; (( CURRENT-- )) ;;\n",
        group, tails);
  }
  std::string last;
  for (const auto& verb : verbs) {
    if (HeadOf(verb) != last) {
      last = HeadOf(verb);
      names += fmt::format("    '{}:{}'\n", last, Escaped(verb.brief, ":"));
    }
    cases += fmt::format("    {}) _arguments", Pattern(verb));
    for (const auto& flag : FlagsOf(verb)) {
      cases += fmt::format(" \\\n      '{}{}[{}]", flag.many ? "*" : "", flag.name,
                           Escaped(FirstSentence(flag.meaning), "[]:"));
      if (!flag.value.empty()) {
        cases += fmt::format(":{}:{}", flag.value,
                             flag.choices.empty() ? "_files" : "(" + flag.choices + ")");
      }
      cases += "'";
    }
    if (const auto lister = ListerOf(verb); !lister.empty()) {
      const bool many = verb.operands.front().many;
      cases += fmt::format(" \\\n      '{}:{}: _godwit_first {}'", many ? "*" : "1",
                           verb.operands.front().name, lister);
      cases += many ? " ;;\n" : " \\\n      '*:operand:_files' ;;\n";
    } else {
      cases += " \\\n      '*:operand:_files' ;;\n";
    }
  }
  return fmt::format(R"sh(#compdef godwit
_godwit_first() {{
  local -a words=(${{(f)"$(godwit $1 2>/dev/null | awk 'NR > 1 {{print $1}}')"}})
  compadd -a words
}}
_godwit() {{
  local -a verbs=(
{}  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{}  esac
  case $verb in
{}  esac
}}
compdef _godwit godwit
)sh",
                     names, groups, cases);
}

std::string FishCompletion(std::span<const Verb> verbs) {
  std::string text = "# fish completion for godwit\n";
  const auto groups = Groups(verbs);
  std::string last;
  for (const auto& verb : verbs) {
    if (HeadOf(verb) != last) {
      last = HeadOf(verb);
      text += fmt::format("complete -c godwit -n __fish_use_subcommand -f -a {} -d '{}'\n", last,
                          FishEscaped(verb.brief));
    }
    std::string seen = "__fish_seen_subcommand_from " + last;
    if (!TailOf(verb).empty()) {
      text += fmt::format(
          "complete -c godwit -n '{}; and not __fish_seen_subcommand_from {}' -f -a {} -d '{}'\n",
          seen, groups.at(last), TailOf(verb), FishEscaped(verb.brief));
      seen += "; and __fish_seen_subcommand_from " + TailOf(verb);
    }
    if (const auto lister = ListerOf(verb); !lister.empty()) {
      text += fmt::format(
          "complete -c godwit -n '{}' -f -a "
          "\"(godwit {} 2>/dev/null | awk 'NR > 1 {{print \\$1}}')\"\n",
          seen, lister);
    }
    for (const auto& flag : FlagsOf(verb)) {
      text += fmt::format("complete -c godwit -n '{}' -l {} -d '{}'", seen, flag.name.substr(2),
                          FishEscaped(FirstSentence(flag.meaning)));
      if (!flag.value.empty()) text += " -r";
      if (!flag.choices.empty()) text += fmt::format(" -f -a '{}'", flag.choices);
      text += '\n';
    }
  }
  return text;
}

Verb CompletionVerb() {
  return {.name = "completion",
          .doing = "write the completion for",
          .brief = "Print a script that completes verbs and flags in bash, zsh or fish",
          .example =
              "source <(godwit completion bash)\n"
              "godwit completion fish > ~/.config/fish/completions/godwit.fish",
          .operands = {{"SHELL", "bash, zsh or fish"}},
          .calls_node = false,
          .run = [](const Args& args, Shell& shell) -> Result<> {
            const std::string name = args.Get("SHELL");
            std::string script;
            if (name == "bash") {
              script = BashCompletion(shell.verbs);
            } else if (name == "zsh") {
              script = ZshCompletion(shell.verbs);
            } else if (name == "fish") {
              script = FishCompletion(shell.verbs);
            } else {
              return Fail(Code::kInvalid, "no such shell is known (bash, zsh and fish are)");
            }
            if (shell.out.json()) {
              shell.out.Show(boost::json::object{{"shell", name}, {"script", script}});
            } else {
              shell.out.Print(script);
            }
            return {};
          }};
}

}  // namespace godwit::cli
