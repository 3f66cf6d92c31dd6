#pragma once

// The words that users of other programs type by habit, and what they are here.
//
// For "no such verb" and "unknown flag" messages, before the nearest known word is looked for: `ls`
// is no slip of `ps`. Threads: any. Failure: "" for a word that is nobody's habit.
#include <string>
#include <string_view>

namespace godwit::cli {

// " (did you mean 'list'?)" for `ls`.
std::string HabitOfVerb(std::string_view word);
// " (did you mean '--follow'?)" for `-f` of `logs`, " (leave it out: …)" for `-f` of `rm`.
std::string HabitOfFlag(std::string_view verb, std::string_view flag);

}  // namespace godwit::cli
