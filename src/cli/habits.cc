#include "cli/habits.h"

#include <fmt/core.h>

namespace godwit::cli {
namespace {

struct VerbHabit {
  std::string_view word;
  std::string_view verb;
};

// Of Docker, Kubernetes, systemd, the AWS command line and the like.
constexpr VerbHabit kVerbs[] = {
    {"ls", "list"},           {"functions", "list"},  {"get", "list"},
    {"delete", "rm"},         {"remove", "rm"},       {"del", "rm"},
    {"undeploy", "rm"},       {"create", "deploy"},   {"update", "deploy"},
    {"apply", "deploy"},      {"push", "deploy"},     {"up", "deploy"},
    {"call", "invoke"},       {"run", "invoke"},      {"exec", "invoke"},
    {"instances", "ps"},      {"status", "ps"},       {"top", "ps"},
    {"tail", "logs"},         {"log", "logs"},        {"pause", "suspend"},
    {"freeze", "suspend"},    {"stop", "suspend"},    {"checkpoint", "suspend"},
    {"hibernate", "suspend"}, {"unpause", "resume"},  {"thaw", "resume"},
    {"wake", "resume"},       {"restore", "resume"},  {"start", "node"},
    {"serve", "node"},        {"server", "node"},     {"daemon", "node"},
    {"check", "doctor"},      {"diagnose", "doctor"}, {"info", "doctor"},
    {"inspect", "doctor"},    {"wait", "result"},
};

struct FlagHabit {
  std::string_view verb;  // empty: every one
  std::string_view flag;
  std::string_view here;  // another flag, or what to do
};

constexpr FlagHabit kFlags[] = {
    {"logs", "-f", "--follow"},
    {"logs", "-n", "--bytes"},
    {"logs", "--tail", "--bytes"},
    {"rm", "-f", "leave it out: rm does not ask"},
    {"rm", "--force", "leave it out: rm does not ask"},
    {"rm", "-y", "leave it out: rm does not ask"},
    {"rm", "-r", "leave it out: instances and images go with a function"},
    {"ps", "-a", "leave it out: ps lists all instances"},
    {"ps", "--all", "leave it out: ps lists all instances"},
    {"list", "-a", "leave it out: list lists all functions"},
    {"list", "-l", "leave it out: list is long"},
    {"deploy", "-n", "--name"},
    {"deploy", "-e", "--env"},
    {"deploy", "-m", "--memory"},
    {"deploy", "--memory-size", "--memory"},
    {"deploy", "-t", "--timeout"},
    {"deploy", "--function-name", "--name"},
    {"deploy", "--environment", "--env"},
    {"deploy", "--unset", "--unset-env"},
    {"invoke", "-d",
     "write the payload behind FUNCTION, as it is, as @FILE or as - for standard input"},
    {"invoke", "--data",
     "write the payload behind FUNCTION, as it is, as @FILE or as - for standard input"},
    {"invoke", "--payload",
     "write the payload behind FUNCTION, as it is, as @FILE or as - for standard input"},
    {"invoke", "--event", "--async"},
    {"invoke", "--log-type", "--tail"},
    {"node", "-c", "--config"},
    {"node", "-d", "--data"},
    {"node", "-v", "--log-level debug"},
    {"node", "--port", "--listen ADDR:PORT"},
    {"node", "-p", "--listen ADDR:PORT"},
    {"", "-o", "--json"},
    {"", "--output", "--json"},
    {"", "--format", "--json"},
    {"", "--endpoint-url", "--endpoint"},
    {"", "--host", "--endpoint"},
};

}  // namespace

std::string HabitOfVerb(std::string_view word) {
  for (const auto& habit : kVerbs) {
    if (habit.word == word) return fmt::format(" (did you mean '{}'?)", habit.verb);
  }
  return "";
}

std::string HabitOfFlag(std::string_view verb, std::string_view flag) {
  for (const auto& habit : kFlags) {
    if (habit.flag != flag || (!habit.verb.empty() && habit.verb != verb)) continue;
    if (habit.here.starts_with("--")) return fmt::format(" (did you mean '{}'?)", habit.here);
    return fmt::format(" ({})", habit.here);
  }
  return "";
}

}  // namespace godwit::cli
