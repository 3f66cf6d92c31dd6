#pragma once

// The words after a verb, read by the verb's description.
//
// The one part that knows CLI11 (https://cliutils.github.io/CLI11, version 2). Threads: any.
// Failure: kInvalid, naming the word that is wrong and the nearest one that is right.
#include <span>
#include <string>

#include "cli/verb.h"

namespace godwit::cli {

// With --help among the words the rest is not checked.
Result<Args> Parse(const Verb& verb, std::span<const std::string> words);

}  // namespace godwit::cli
