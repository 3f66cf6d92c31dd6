#pragma once

// Shell completion, made from the verbs' descriptions.
//
// `godwit completion bash` prints a script to be sourced; verbs, flags, the choices of a flag, and
// files complete. Threads: any. Failure: none.
#include <span>
#include <string>

#include "cli/verb.h"

namespace godwit::cli {

std::string BashCompletion(std::span<const Verb> verbs);
std::string ZshCompletion(std::span<const Verb> verbs);
std::string FishCompletion(std::span<const Verb> verbs);

}  // namespace godwit::cli
