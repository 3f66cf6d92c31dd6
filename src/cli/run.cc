#include "cli/run.h"

#include <algorithm>

#include "base/try.h"
#include "cli/habits.h"
#include "cli/help.h"
#include "cli/nearest.h"
#include "cli/parse.h"

namespace godwit::cli {
namespace {

constexpr std::string_view kDefaultEndpoint = "http://127.0.0.1:9000";

// "init, join, ..." where verbs such as `site init` begin with this word; else "".
std::string ActionsOf(std::span<const Verb> verbs, std::string_view group) {
  std::string actions;
  for (const auto& verb : verbs) {
    if (verb.name.size() <= group.size() || !verb.name.starts_with(group) ||
        verb.name[group.size()] != ' ')
      continue;
    actions += (actions.empty() ? "" : ", ") + verb.name.substr(group.size() + 1);
  }
  return actions;
}

// Flags that every verb has may stand before it, too: `godwit --json ps`.
std::vector<std::string> VerbFirst(std::span<const Verb> verbs,
                                   std::span<const std::string> words) {
  std::vector<std::string> rest(words.begin(), words.end());
  auto verb = rest.begin();
  while (verb != rest.end() &&
         (*verb == "--json" || *verb == "--endpoint" || verb->starts_with("--endpoint="))) {
    verb += *verb == "--endpoint" && rest.end() - verb > 1 ? 2 : 1;
  }
  if (verb == rest.end()) return rest;
  const bool of_group = rest.end() - verb > 1 && !ActionsOf(verbs, *verb).empty();
  std::rotate(rest.begin(), verb, verb + (of_group ? 2 : 1));
  return rest;
}

// The verb's name out of the front of `words`: one word, or two of a group.
std::string TakeName(std::span<const Verb> verbs, std::vector<std::string>& words) {
  std::string name = words.front();
  words.erase(words.begin());
  if (!words.empty() && !words.front().starts_with('-') && !ActionsOf(verbs, name).empty()) {
    name += " " + words.front();
    words.erase(words.begin());
  }
  return name;
}

Result<const Verb*> FindVerb(std::span<const Verb> verbs, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& verb : verbs) {
    if (verb.name == name) return &verb;
    names.push_back(verb.name);
  }
  if (name.starts_with('-')) {
    return Fail(Code::kInvalid, "cannot run '{}': a verb comes first (see `godwit --help`)", name);
  }
  const std::string actions = ActionsOf(verbs, name.substr(0, name.find(' ')));
  if (!actions.empty() && !name.contains(' '))
    return Fail(Code::kInvalid, "cannot run '{}': it wants one of: {}", name, actions);
  std::string hint = HabitOfVerb(name);
  if (hint.empty()) hint = DidYouMean(name, names, " (see `godwit --help`)");
  return Fail(Code::kInvalid, "cannot run '{}': no such verb{}", name, hint);
}

// "cannot VERB 'OPERAND': reason". Who names what it could not do is not said to be doing it, too.
Error Phrase(const Verb& verb, const Args& args, Error error) {
  const std::string& doing = verb.doing.empty() ? verb.name : verb.doing;
  std::string what = "cannot " + doing;
  const auto told = std::ranges::find(verb.operands, false, &Operand::secret);
  if (told != verb.operands.end()) {
    const std::string operand = args.Get(told->name);
    if (!operand.empty()) what += " '" + operand + "'";
  }
  const std::string text = error.ToString();
  const bool works_here = !verb.calls_node && verb.operands.empty();
  const bool said = text.starts_with(what + ": ") || (works_here && text.starts_with("cannot ")) ||
                    (!verb.operands.empty() && verb.operands.front().many &&
                     text.starts_with("cannot " + doing + " '")) ||
                    text.starts_with("cannot invoke '");  // of `result`, which did what it is for
  if (!said) error.Within(what);
  return error;
}

Result<> RunVerb(const Verb& verb, std::span<const Verb> verbs, const Args& args, World& world) {
  const std::string given = args.Find("--endpoint").value_or(world.endpoint);
  std::string endpoint(kDefaultEndpoint);
  if (!given.empty() && verb.calls_node) {
    GODWIT_TRY(endpoint, ReadEndpoint(given));
  }
  NodeClient node(std::move(endpoint), world.transport);
  Shell shell{node, world.out, world.in, world.clock, world.pause, verbs};
  world.out.set_json(args.Has("--json"));
  GODWIT_TRY(verb.run(args, shell));
  return world.out.Finish();
}

int Failed(Output& out, const Error& error) {
  out.Report(error);
  return ExitCode(error.code());
}

}  // namespace

int Run(std::span<const Verb> verbs, std::span<const std::string> words, World world) {
  Output& out = world.out;
  std::vector<std::string> rest = VerbFirst(verbs, words);
  if (rest.empty()) {
    out.Note(Overview(verbs));
    return ExitCode(Code::kInvalid);
  }
  std::string name = TakeName(verbs, rest);
  if (name == "help" && !rest.empty()) {
    name = TakeName(verbs, rest);
    rest = {"--help"};
  }
  if (name == "--help" || name == "-h" || name == "help") {
    out.Print(Overview(verbs));
    return 0;
  }
  if (name == "--version") name = "version";
  const auto verb = FindVerb(verbs, name);
  if (!verb) return Failed(out, verb.error());
  auto args = Parse(**verb, rest);
  if (!args) return Failed(out, std::move(args).Within("cannot run '{}'", name).error());
  if (args->Has("--help")) {
    out.Print(HelpOf(**verb));
    return 0;
  }
  const auto done = RunVerb(**verb, verbs, *args, world);
  return done ? 0 : Failed(out, Phrase(**verb, *args, done.error()));
}

}  // namespace godwit::cli
