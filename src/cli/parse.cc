#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <list>

#include "base/try.h"
#include "cli/habits.h"
#include "cli/nearest.h"

namespace godwit::cli {
namespace {

struct Slot {
  std::string name;
  bool is_switch = false;
  std::vector<std::string> values = {};
  CLI::Option* option = nullptr;
};

std::unexpected<Error> Unexpected(const Verb& verb, const std::vector<std::string>& extras) {
  std::vector<std::string> known;
  for (const auto& flag : FlagsOf(verb)) known.push_back(flag.name);
  const std::string see = fmt::format(" (see `godwit {} --help`)", verb.name);
  for (const auto& word : extras) {
    if (word.size() < 2 || word[0] != '-') continue;
    const std::string flag = word.substr(0, word.find('='));
    std::string hint = HabitOfFlag(verb.name, flag);
    if (hint.empty()) hint = DidYouMean(flag, known, see);
    return Fail(Code::kInvalid, "unknown flag '{}'{}", flag, hint);
  }
  return Fail(Code::kInvalid, "'{}' is one operand too many{}", extras.front(), see);
}

Result<> CheckOperands(const Verb& verb, const Args& args) {
  for (const auto& operand : verb.operands) {
    if (operand.optional || !args.All(operand.name).empty()) continue;
    return Fail(Code::kInvalid, "{} is missing: {} (usage: {})", operand.name, operand.meaning,
                UsageOf(verb));
  }
  return {};
}

}  // namespace

Result<Args> Parse(const Verb& verb, std::span<const std::string> words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::list<Slot> slots;  // CLI11 keeps references to the values
  const auto flags = FlagsOf(verb);
  for (const auto& flag : flags) {
    auto& slot = slots.emplace_back(Slot{flag.name, flag.value.empty()});
    const std::string names = flag.name == "--help" ? "-h,--help" : flag.name;
    if (slot.is_switch) {
      slot.option = app.add_flag(names)->take_last();
    } else {
      slot.option = app.add_option(names, slot.values)->expected(1)->allow_extra_args(false);
      slot.option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
  }
  for (const auto& operand : verb.operands) {
    auto& slot = slots.emplace_back(Slot{operand.name});
    slot.option = app.add_option(operand.name, slot.values);
    if (!operand.many) slot.option->expected(1)->allow_extra_args(false);
  }
  try {
    // CLI11 reads a vector from its end.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ArgumentMismatch&) {
    for (const auto& flag : flags) {
      const bool last = !words.empty() && words.back() == flag.name;
      if (last && !flag.value.empty()) {
        return Fail(Code::kInvalid, "flag '{}' wants a value: {} ({})", flag.name, flag.value,
                    flag.meaning);
      }
    }
    return Fail(Code::kInvalid, "a flag lacks its value (see `godwit {} --help`)", verb.name);
  } catch (const CLI::Error& error) {
    return Fail(Code::kInvalid, "{} (see `godwit {} --help`)", error.what(), verb.name);
  }
  Args args;
  for (auto& slot : slots) {
    if (slot.option->count() == 0) continue;
    if (slot.is_switch) slot.values = {slot.option->as<bool>() ? "true" : "false"};
    args.Set(slot.name, slot.values);
  }
  if (args.Has("--help")) return args;
  auto extras = app.remaining();
  std::erase(extras, "--");  // CLI11 keeps the mark itself among what it did not expect
  if (!extras.empty()) return Unexpected(verb, extras);
  for (const auto& flag : flags) {
    if (!flag.many && args.All(flag.name).size() > 1) {
      return Fail(Code::kInvalid, "flag '{}' is given twice", flag.name);
    }
  }
  GODWIT_TRY(CheckOperands(verb, args));
  return args;
}

}  // namespace godwit::cli
