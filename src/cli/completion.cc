#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>

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

// The first sentence: a hint in a menu has one line.
std::string_view FirstSentence(std::string_view text) { return text.substr(0, text.find(". ")); }

std::string Words(std::span<const Verb> verbs) {
  std::string words;
  for (const auto& verb : verbs) words += (words.empty() ? "" : " ") + verb.name;
  return words;
}

}  // namespace

std::string BashCompletion(std::span<const Verb> verbs) {
  std::string flags, values;
  for (const auto& verb : verbs) {
    std::string names;
    for (const auto& flag : FlagsOf(verb)) {
      names += " " + flag.name;
      if (flag.choices.empty()) continue;
      values += fmt::format("    {}:{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                            verb.name, flag.name, flag.choices);
    }
    flags += fmt::format("    {}) flags='{}' ;;\n", verb.name, names.substr(1));
  }
  return fmt::format(R"(# bash completion for godwit
_godwit() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb=${{COMP_WORDS[1]}} flags=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$word"))
    return
  fi
  case "$verb:$before" in
{}  esac
  case "$verb" in
{}  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _godwit godwit
)",
                     Words(verbs), values, flags);
}

std::string ZshCompletion(std::span<const Verb> verbs) {
  std::string names, cases;
  for (const auto& verb : verbs) {
    names += fmt::format("    '{}:{}'\n", verb.name, Escaped(verb.brief, ":"));
    cases += fmt::format("    {}) _arguments", verb.name);
    for (const auto& flag : FlagsOf(verb)) {
      cases += fmt::format(" \\\n      '{}{}[{}]", flag.many ? "*" : "", flag.name,
                           Escaped(FirstSentence(flag.meaning), "[]:"));
      if (!flag.value.empty()) {
        cases += fmt::format(":{}:{}", flag.value,
                             flag.choices.empty() ? "_files" : "(" + flag.choices + ")");
      }
      cases += "'";
    }
    cases += " \\\n      '*:operand:_files' ;;\n";
  }
  return fmt::format(R"(#compdef godwit
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
}}
compdef _godwit godwit
)",
                     names, cases);
}

std::string FishCompletion(std::span<const Verb> verbs) {
  std::string text = "# fish completion for godwit\n";
  for (const auto& verb : verbs) {
    text += fmt::format("complete -c godwit -n __fish_use_subcommand -f -a {} -d '{}'\n", verb.name,
                        FishEscaped(verb.brief));
    for (const auto& flag : FlagsOf(verb)) {
      text += fmt::format("complete -c godwit -n '__fish_seen_subcommand_from {}' -l {} -d '{}'",
                          verb.name, flag.name.substr(2), FishEscaped(FirstSentence(flag.meaning)));
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
            if (name == "bash") {
              shell.out.Print(BashCompletion(shell.verbs));
            } else if (name == "zsh") {
              shell.out.Print(ZshCompletion(shell.verbs));
            } else if (name == "fish") {
              shell.out.Print(FishCompletion(shell.verbs));
            } else {
              return Fail(Code::kInvalid, "no such shell is known (bash, zsh and fish are)");
            }
            return {};
          }};
}

}  // namespace godwit::cli
