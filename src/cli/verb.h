#pragma once

// A verb of the command line, described by itself.
//
// The parser, `--help`, the man page and the shell completion are made from this one description,
// so they cannot differ. A verb is a function such as SuspendVerb() in suspend.cc; verbs.h lists
// them. Its `run` returns an error without the "cannot VERB 'OPERAND'" in front, which run.cc puts
// there. Threads: one. Failure: `run` gives an Error, whose code is the exit code.
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::cli {

class NodeClient;
class Output;
struct Verb;

struct Operand {
  std::string name;  // "INSTANCE"
  std::string meaning;
  bool optional = false;
  bool many = false;    // takes all that follow; the last operand only
  bool secret = false;  // not to be repeated in an error
};

struct Flag {
  std::string name;   // "--timeout"
  std::string value;  // "SECONDS"; empty for a switch
  std::string meaning;
  bool many = false;         // may be given again and again
  std::string choices = {};  // what completion offers for the value, parted by blanks
};

// What the user wrote, by the names of the description.
class Args {
 public:
  void Set(const std::string& name, std::vector<std::string> values) {
    values_[name] = std::move(values);
  }
  bool Has(std::string_view name) const;         // given; for a switch also: not "=false"
  std::string Get(std::string_view name) const;  // the last one given, or ""
  std::optional<std::string> Find(std::string_view name) const;
  const std::vector<std::string>& All(std::string_view name) const;
  // kInvalid for what is no whole number.
  Result<std::optional<int64_t>> Number(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

// What a verb may touch.
struct Shell {
  NodeClient& node;
  Output& out;
  std::istream& in;
  const Clock& clock;
  const std::function<void(Nanos)>& pause;  // between two looks at something that is not ready
  std::span<const Verb> verbs;              // all of them, for the verb `completion`
};

struct Verb {
  std::string name = {};  // "ps"; of a group: "site init"
  // "list instances", for errors: "cannot list instances: ..."; empty: the name.
  std::string doing = {};
  std::string brief = {};    // one line, no full stop
  std::string details = {};  // paragraphs, parted by empty lines; may be empty
  std::string example = {};  // lines to type
  std::vector<Operand> operands = {};
  std::vector<Flag> flags = {};
  bool calls_node = true;  // has --endpoint
  std::function<Result<>(const Args&, Shell&)> run = {};
};

// The flags of `verb` and those that every verb has: --json, --endpoint, --help.
std::vector<Flag> FlagsOf(const Verb& verb);
// "godwit rm FUNCTION... [FLAGS]"
std::string UsageOf(const Verb& verb);

}  // namespace godwit::cli
